package dev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// Times of etcd on one machine: short, so that a lease of 1 s can be granted.
const (
	heartbeat = 50 * time.Millisecond
	election  = 500 * time.Millisecond
)

// startEtcd runs one member of etcd in this process, on the loopback, and waits
// until it serves. Without durable it does not wait for the disk.
func startEtcd(ctx context.Context, dir string, durable bool) (*embed.Etcd, error) {
	client, err := freeURL()
	if err != nil {
		return nil, err
	}
	peer, err := freeURL()
	if err != nil {
		return nil, err
	}
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = "dev", dir
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.TickMs, cfg.ElectionMs = uint(heartbeat.Milliseconds()), uint(election.Milliseconds())
	cfg.UnsafeNoFsync = !durable
	cfg.AutoCompactionMode, cfg.AutoCompactionRetention = "periodic", "10m"
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())

	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("starting etcd: %w", err)
	}
	select {
	case <-e.Server.ReadyNotify():
		return e, nil
	case err = <-e.Err():
	case <-time.After(20 * time.Second):
		err = errors.New("not ready within 20s")
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	stopEtcd(e)
	return nil, fmt.Errorf("starting etcd: %w", err)
}

// stopEtcd closes etcd. It does not wait for longer than is decent: what is
// stored is safe, and the process ends.
func stopEtcd(e *embed.Etcd) {
	done := make(chan struct{})
	go func() { e.Close(); close(done) }()
	select {
	case <-done:
	case <-time.After(3 * time.Second):
	}
}

func freeURL() (url.URL, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return url.URL{}, fmt.Errorf("finding a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return url.URL{Scheme: "http", Host: l.Addr().String()}, nil
}
