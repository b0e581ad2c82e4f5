package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// raisedAtOnce is how many records one transaction raises: each is a compare, and
// there are others.
const raisedAtOnce = maxOps - 8

// RaiseEpochs raises many records in one transaction, which holds only while
// nobody at all is present.
func (s *Store) RaiseEpochs(ctx context.Context, by farm.Epoch) (int, error) {
	n, err := s.raiseEpochs(ctx, by)
	if err != nil {
		return n, fmt.Errorf("raise epochs: %w", err)
	}
	return n, nil
}

func (s *Store) raiseEpochs(ctx context.Context, by farm.Epoch) (int, error) {
	if by == 0 {
		return 0, errors.New("by nothing")
	}
	if s.views.until(ctx, s.ended, deserted) == nil {
		return 0, s.unfollowed(ctx)
	}
	records, err := s.ownerRecords(ctx)
	if err != nil {
		return 0, err
	}
	done := 0
	for some := range slices.Chunk(records, raisedAtOnce) {
		if err := s.raise(ctx, some, by); err != nil {
			return done, err
		}
		done += len(some)
	}
	return done, nil
}

// deserted: no broker of any Site is present.
func deserted(v *store.View) bool { return v.Revision > 0 && len(v.Present()) == 0 }

// unfollowed is the error of a wait for the View that came to nothing.
func (s *Store) unfollowed(ctx context.Context) error {
	if ctx.Err() != nil && s.ready.Load() {
		return ctx.Err()
	}
	return fmt.Errorf("%w: there is no View", store.ErrUnavailable)
}

// ownerRecords lists all ownership records, of Providers that are deleted too.
func (s *Store) ownerRecords(ctx context.Context) ([]*mvccpb.KeyValue, error) {
	var all []*mvccpb.KeyValue
	_, err := s.scan(ctx, s.keys.prefix+kindOwner+"/", 0, func(_ int64, kvs []*mvccpb.KeyValue) error {
		all = append(all, kvs...)
		return nil
	})
	return all, err
}

func (s *Store) raise(ctx context.Context, records []*mvccpb.KeyValue, by farm.Epoch) error {
	var t txn
	t.nothingNewer(s.keys.prefix+kindPresence+"/", 0)
	for _, kv := range records {
		o, err := decodeOwner(kv.Value)
		if err != nil {
			return fmt.Errorf("%s: %w", kv.Key, err)
		}
		o.Epoch += by
		value, err := encodeOwner(o)
		if err != nil {
			return fmt.Errorf("%s: %w", kv.Key, err)
		}
		t.unchanged(string(kv.Key), farm.Revision(kv.ModRevision))
		t.put(string(kv.Key), value)
	}
	o, err := s.commit(ctx, &t)
	if err != nil {
		return err
	}
	s.settle(ctx, o.revision)
	if !o.stored {
		return store.ErrConflict
	}
	return nil
}
