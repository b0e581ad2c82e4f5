package etcd

import (
	"crypto/tls"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// DialConfig says how to reach etcd.
type DialConfig struct {
	Endpoints []string
	TLS       *tls.Config // nil: not encrypted
	Username  string
	Password  string
}

// Dial makes a client that notices a dead member quickly and comes back
// quickly when etcd does. It does not wait for a connection.
func Dial(cfg DialConfig) (*clientv3.Client, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: cfg.Endpoints,
		TLS:       cfg.TLS,
		Username:  cfg.Username,
		Password:  cfg.Password,
		Logger:    zap.NewNop(),
		// gRPC pings no more often than every 10 s. Its timeout is also the
		// connection's TCP_USER_TIMEOUT, so that one that does not acknowledge
		// what is sent is dropped after a second; the watch sends twice a second.
		DialTimeout:          2 * time.Second,
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: time.Second,
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond,
			},
			MinConnectTimeout: time.Second,
		})},
	})
	if err != nil {
		return nil, fmt.Errorf("etcd client: %w", err)
	}
	return client, nil
}
