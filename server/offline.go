package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
)

// answerTimeout is how long a command waits for storage before it gives up. A
// person waits for it.
const answerTimeout = 5 * time.Second

// withStore runs do on the Farm's storage, once that has answered, whether or
// not any server runs. It makes no Farm unless it is told to: a command with a
// wrong address must not succeed on nothing, nor bind a Farm to its secret key.
func withStore(ctx context.Context, cfg StorageConfig, stderr io.Writer, do func(context.Context, *etcd.Store) error) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	st, free, err := openStore(cfg, !cfg.NewFarm, commandLog(stderr))
	if err != nil {
		return err
	}
	defer free()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer stop()
		if err := awaitStorage(ctx, st, cfg.Etcd); err != nil {
			return err
		}
		if cfg.SecretKeyFile != "" {
			if err := checkSecretKeyOnce(ctx, cfg.SecretKeyFile, st); err != nil {
				return err
			}
		}
		return do(ctx, st)
	})
	g.Go(func() error { return st.Run(ctx) })
	return noFarmAdvice(g.Wait())
}

func noFarmAdvice(err error) error {
	if errors.Is(err, store.ErrNoFarm) {
		return fmt.Errorf("%w: check --etcd and --etcd-prefix", err)
	}
	return err
}

// checkSecretKeyOnce is checkSecretKey for whom somebody waits.
func checkSecretKeyOnce(ctx context.Context, file string, st store.Store) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return tryKey(ctx, file, st)
}

// commandLog tells of errors alone, such as a stored value that cannot be read
// and is left out: all else is in what the command answers.
func commandLog(stderr io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

func awaitStorage(ctx context.Context, st store.Store, urls []string) error {
	limited, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	_, err := st.Wait(limited, 0)
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return fmt.Errorf("no answer from etcd at %s within %v. %s", strings.Join(urls, ", "), answerTimeout, st.Health(asking).Problem)
}
