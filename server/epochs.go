package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
)

// RaiseEpochsConfig is what `quorate raise-epochs` can be told.
type RaiseEpochsConfig struct {
	StorageConfig `embed:""`
	By            farm.Epoch    `help:"How far. It must be more than the changes of owner that one Provider can have had since the snapshot." default:"1000000" env:"-"`
	Wait          time.Duration `help:"How long to wait for brokers that are present to be gone, such as those in a snapshot, which go with their leases." default:"30s" env:"-"`
}

// RaiseEpochs raises every epoch of the Farm, with all servers stopped.
func RaiseEpochs(ctx context.Context, cfg RaiseEpochsConfig, stdout, stderr io.Writer) error {
	if cfg.By == 0 || cfg.Wait <= 0 {
		return errors.New("--by, --wait must be above 0")
	}
	if cfg.By > store.MaxRaise {
		return fmt.Errorf("--by must be at most %d", store.MaxRaise)
	}
	cfg.SecretKeyFile = "" // not needed, so it need not be right
	return withStore(ctx, cfg.StorageConfig, stderr, func(ctx context.Context, st *etcd.Store) error {
		ctx, cancel := context.WithTimeout(ctx, cfg.Wait)
		defer cancel()
		n, err := st.RaiseEpochs(ctx, cfg.By)
		here := st.Latest().Present()
		switch {
		case errors.Is(err, context.DeadlineExceeded) && len(here) > 0:
			return fmt.Errorf("no epoch was raised, because brokers are online: %s. Stop every server first", strings.Join(here, ", "))
		case err != nil:
			return fmt.Errorf("%w. %s raised; run it again, which does no harm", err, epochs(n))
		}
		fmt.Fprintf(stdout, "%s raised by %d. The servers may be started.\n", epochs(n), cfg.By)
		return nil
	})
}

func epochs(n int) string {
	if n == 1 {
		return "1 epoch was"
	}
	return fmt.Sprintf("%d epochs were", n)
}
