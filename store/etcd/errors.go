package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quorate/quorate/store"
)

// translate makes an error of the etcd client one of the contract's. ctx is
// the caller's, not that of one attempt.
func translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	known := rpctypes.Error(err)
	switch {
	case errors.Is(err, store.ErrOtherFarm):
		return err
	case errors.Is(known, rpctypes.ErrCompacted), errors.Is(known, rpctypes.ErrFutureRev):
		return fmt.Errorf("%w: %w", store.ErrGone, err)
	case errors.Is(known, rpctypes.ErrNoSpace):
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	case errors.Is(known, rpctypes.ErrLeaseNotFound):
		return fmt.Errorf("%w: %w", store.ErrLost, err)
	}
	switch code(known) {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition:
		return fmt.Errorf("storage refuses: %w", err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w: %w", store.ErrUnavailable, ctx.Err(), err)
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// code is the gRPC code of an error, whichever of etcd's two shapes it has.
func code(err error) codes.Code {
	var known rpctypes.EtcdError
	if errors.As(err, &known) {
		return known.Code()
	}
	return status.Code(err)
}

// unreached is the error of a call whose context has ended while it waited for
// the View to catch up.
func unreached(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return fmt.Errorf("%w: the view has not caught up: %w", store.ErrUnavailable, ctx.Err())
}

// ask asks until storage answers, refuses, or ctx ends: for what can be asked
// again without harm. Each attempt is bounded.
func ask[T any](ctx context.Context, what string, attempt func(context.Context) (T, error)) (T, error) {
	return askFor(ctx, readTimeout, what, attempt)
}

func askFor[T any](ctx context.Context, timeout time.Duration, what string, attempt func(context.Context) (T, error)) (T, error) {
	for {
		var none T
		if err := ctx.Err(); err != nil {
			return none, fmt.Errorf("%s: %w", what, translate(ctx, err))
		}
		one, cancel := context.WithTimeout(ctx, timeout)
		got, err := attempt(one)
		cancel()
		if err == nil {
			return got, nil
		}
		err = translate(ctx, err)
		if ctx.Err() != nil || !errors.Is(err, store.ErrUnavailable) {
			return none, fmt.Errorf("%s: %w", what, err)
		}
		pause(ctx, retryPause)
	}
}
