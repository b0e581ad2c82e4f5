package server

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/server/guard"
	"github.com/quorate/quorate/store/etcd"
)

// Guard runs a server as a child process, see package guard, until ctx ends.
// command makes that process, which must call Listen with the same settings.
func Guard(ctx context.Context, cfg Config, command func() *exec.Cmd, restart guard.RestartAfter, signals <-chan os.Signal, p Process) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	log := newLogger(cfg, p.Stderr).With("guard", os.Getpid())
	revoke, free, err := Revoker(cfg.StorageConfig)
	if err != nil {
		return err
	}
	defer free()
	return guard.Run(ctx, guard.Config{
		Command: command, Revoke: revoke, RestartAfter: restart, Steady: time.Minute, Signals: signals, Log: log,
		// The server bounds its own stop; this is for one that hangs.
		StopTimeout: cfg.StopTimeout + 2*drainTimeout,
		Started:     func(pid int) { log.Info("guarding", "pid", pid) },
		Ended:       func(e guard.End) { tellEnd(ctx, log, e) },
	})
}

func tellEnd(ctx context.Context, log *slog.Logger, e guard.End) {
	switch {
	case ctx.Err() != nil:
	case e.Next < 0:
		log.Error("the server has ended and is not started again", "pid", e.PID, "err", e.Err)
	default:
		log.Error("the server has ended", "pid", e.PID, "err", e.Err, "startsAgainIn", e.Next)
	}
}

// Revoker returns what ends a lease of a server that is dead, over a connection
// that is kept open for it; what it returns frees that.
func Revoker(cfg StorageConfig) (revoke func(context.Context, int64) error, free func(), err error) {
	security, err := etcdTLS(cfg)
	if err != nil {
		return nil, nil, err
	}
	client, err := etcd.Dial(etcd.DialConfig{Endpoints: cfg.Etcd, TLS: security})
	if err != nil {
		return nil, nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	go stayConnected(ctx, client)
	revoke = func(ctx context.Context, lease int64) error { return etcd.Revoke(ctx, client, lease) }
	return revoke, func() { stop(); _ = client.Close() }, nil
}

// stayEvery is how often an idle connection is used, so that it is there when it
// is needed.
const stayEvery = 5 * time.Second

func stayConnected(ctx context.Context, client *clientv3.Client) {
	tick := time.NewTicker(stayEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		try, done := context.WithTimeout(ctx, time.Second)
		_, _ = client.Get(try, "/", clientv3.WithSerializable(), clientv3.WithCountOnly())
		done()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}
