// Package server puts the parts together: settings, TLS, listeners, start and
// stop.
package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"

	"golang.org/x/sync/errgroup"

	"github.com/quorate/quorate/broker"
	"github.com/quorate/quorate/store"
)

// Process is what a server gets from the process it runs in.
type Process struct {
	Version string
	Stdout  io.Writer // for what a person is to read once
	Stderr  io.Writer // for the log
}

// Listen runs a server until ctx ends, see Serve.
func Listen(ctx context.Context, cfg Config, p Process) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	return Serve(ctx, cfg, ln, p)
}

// Serve runs a server on the listener until ctx ends; then what its broker owns
// is handed over while the server still answers, and nothing it started is
// running when it returns. It comes up, answers and stops whether or not etcd
// is there.
func Serve(ctx context.Context, cfg Config, ln net.Listener, p Process) error {
	if err := cfg.Validate(); err != nil {
		return errors.Join(err, ln.Close())
	}
	log := newLogger(cfg, p.Stderr)
	st, free, err := openStore(cfg.StorageConfig, false, log)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	defer free()
	return serve(ctx, cfg, ln, st, p, log)
}

// serve runs a server over a store that it runs.
func serve(ctx context.Context, cfg Config, ln net.Listener, st store.Store, p Process, log *slog.Logger) error {
	defer func() { _ = ln.Close() }() // the HTTP server has closed it, unless there is none
	token, err := readRootToken(cfg.RootTokenFile)
	if err != nil {
		return err
	}
	metrics := newRegistry(p.Version)
	certificates, err := newCertificateMetrics(cfg)
	if err != nil {
		return err
	}
	metrics.MustRegister(newFarmMetrics(st), certificates)
	process := rand.Text()
	api, err := newAPI(cfg, st, metrics, process, p.Version, log)
	if err != nil {
		return err
	}
	httpServer, err := newHTTPServer(cfg, api, log)
	if err != nil {
		return err
	}
	bc := brokerConfig(cfg, st, ln.Addr(), p.Version)
	bc.Process, bc.Metrics, bc.Log = process, metrics, log
	announce(log, cfg, ln.Addr(), p)

	// Each stops after the one above it: the API answers while the broker hands
	// over, and both need the store.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	apiCtx, brokerGone := context.WithCancel(context.WithoutCancel(ctx))
	storeCtx, apiGone := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	g.Go(func() error {
		defer brokerGone()
		defer stop()
		return runBroker(ctx, cfg, st, token, p.Stdout, bc)
	})
	g.Go(func() error {
		defer apiGone()
		err := serveHTTP(apiCtx, httpServer, ln)
		stop()
		<-apiCtx.Done()
		return err
	})
	g.Go(func() error {
		defer stop()
		return st.Run(storeCtx)
	})
	err = g.Wait()
	if err == nil {
		log.Info("stopped")
	}
	return err
}

// runBroker sees to the Farm's first token and the secret key, then runs the
// broker, if this server is one, until ctx ends.
func runBroker(ctx context.Context, cfg Config, st store.Store, token string, out io.Writer, bc broker.Config) error {
	if err := ensureRootToken(ctx, st, token, out, bc.Log); err != nil {
		return err
	}
	if cfg.SecretKeyFile != "" || cfg.Broker != "" {
		if err := checkSecretKey(ctx, cfg.SecretKeyFile, st, bc.Log); err != nil {
			return err
		}
	}
	if cfg.Broker == "" || ctx.Err() != nil {
		<-ctx.Done()
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	if cfg.SecretKeyFile == "" {
		g.Go(func() error { return untilKeyed(ctx, st, bc.Log) })
	}
	g.Go(func() error { return broker.Run(ctx, bc) })
	return g.Wait()
}

func brokerConfig(cfg Config, st store.Store, addr net.Addr, version string) broker.Config {
	bc := broker.DefaultConfig()
	bc.Site, bc.Broker = cfg.Site, cfg.Broker
	bc.Address, bc.Version = cfg.advertised(addr), version
	bc.Mode, bc.Priority = cfg.Mode, cfg.Priority
	bc.TTL, bc.Margin, bc.StopTimeout = cfg.LeaseTTL, cfg.margin(), cfg.StopTimeout
	bc.Store, bc.Drivers = st, drivers()
	return bc
}

// announce says what this server is, and how long a takeover can take.
func announce(log *slog.Logger, cfg Config, addr net.Addr, p Process) {
	log.Info("serving", "version", p.Version, "listen", addr.String(), "address", cfg.advertised(addr),
		"site", cfg.Site, "broker", cfg.Broker, "etcd", cfg.Etcd)
	if cfg.PlainBehindHTTPS() {
		log.Warn("--advertise is https and --tls-cert is not given: this server speaks plain HTTP, in which tokens and passwords can be read on the way; that is right only behind a proxy that speaks TLS for it", "advertise", cfg.Advertise)
	}
	timing := cfg.Timing()
	bounds := timing.Bounds()
	log.Info("takeover bounds", "brokerLost", bounds.BrokerLost, "brokerAndEtcdLeader", bounds.BrokerAndStorageLeader,
		"plannedMove", bounds.PlannedMove, "ttl", timing.TTL, "margin", timing.Margin)
	if cfg.Broker == "" || cfg.LogFormat == "json" {
		return // nobody reads it, or it is said in the log
	}
	fmt.Fprintf(p.Stdout, "A crashed broker's Providers are taken over within %v; if an etcd leader dies too, within %v.\n",
		bounds.BrokerLost, bounds.BrokerAndStorageLeader)
}

func newLogger(cfg Config, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.Level(cfg.LogLevel)}
	var h slog.Handler = slog.NewTextHandler(w, options)
	if cfg.LogFormat == "json" {
		h = slog.NewJSONHandler(w, options)
	}
	return slog.New(h)
}
