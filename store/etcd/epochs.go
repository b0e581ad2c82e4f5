package etcd

import (
	"context"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

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
	if err := store.CheckRaise(by); err != nil {
		return 0, err
	}
	if s.views.until(ctx, s.ended, deserted) == nil {
		return 0, s.unfollowed(ctx)
	}
	records, err := s.ownerRecords(ctx)
	if err != nil {
		return 0, err
	}
	if err := s.raiseFloor(ctx, records, by); err != nil {
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
		for _, kv := range kvs {
			if _, ours := s.keys.parse(string(kv.Key)); ours {
				all = append(all, kv)
			}
		}
		return nil
	})
	return all, err
}

func (s *Store) raise(ctx context.Context, records []*mvccpb.KeyValue, by farm.Epoch) error {
	var t txn
	t.nothingNewer(s.keys.prefix+kindPresence+"/", 0)
	for _, kv := range records {
		t.unchanged(string(kv.Key), farm.Revision(kv.ModRevision))
		o, err := decodeOwner(kv.Value)
		if err != nil { // whatever its epoch was, the floor is above it
			s.log.Warn("an ownership record cannot be read and is removed: its Provider begins above all epochs", "key", string(kv.Key), "error", err)
			t.delete(string(kv.Key))
			continue
		}
		if o.Epoch, err = store.Raised(o.Epoch, by); err != nil {
			return fmt.Errorf("%s: %w", kv.Key, err)
		}
		value, err := encodeOwner(o)
		if err != nil {
			return fmt.Errorf("%s: %w", kv.Key, err)
		}
		t.put(string(kv.Key), value)
	}
	return s.raiseBy(ctx, &t)
}

// raiseFloor sets the floor as high as the highest record will be. It is first, so
// that every record has been looked at before any is raised. If something cannot be
// read, which may have been higher than all that can, it goes as far as can be.
func (s *Store) raiseFloor(ctx context.Context, records []*mvccpb.KeyValue, by farm.Epoch) error {
	highest, at, readable, err := s.floor(ctx)
	if err != nil {
		return err
	}
	for _, kv := range records {
		o, err := decodeOwner(kv.Value)
		if err != nil {
			readable = false
			continue
		}
		highest = max(highest, o.Epoch)
	}
	if !readable {
		by = store.MaxRaise
	}
	if highest, err = store.Raised(highest, by); err != nil {
		return err
	}
	value, err := encode(epochsRecord{uint64(highest)})
	if err != nil {
		return err
	}
	var t txn
	t.nothingNewer(s.keys.prefix+kindPresence+"/", 0)
	t.unchanged(s.keys.epochs(), at)
	t.put(s.keys.epochs(), value)
	return s.raiseBy(ctx, &t)
}

// floor reads what an earlier raising has left, and whether it can be read.
func (s *Store) floor(ctx context.Context) (floor farm.Epoch, at farm.Revision, readable bool, err error) {
	resp, err := ask(ctx, "read the floor of epochs", func(ctx context.Context) (*clientv3.GetResponse, error) {
		return s.client.Get(ctx, s.keys.epochs())
	})
	if err != nil || len(resp.Kvs) == 0 {
		return 0, 0, true, err
	}
	at = farm.Revision(resp.Kvs[0].ModRevision)
	r, err := decode[epochsRecord](resp.Kvs[0].Value)
	if err != nil {
		s.log.Warn("the floor of epochs cannot be read and is made anew, above all", "error", err)
		return s.floorBefore(ctx, at), at, false, nil
	}
	return farm.Epoch(r.Floor), at, true, nil
}

// floorBefore is the floor before what was stored at a revision, if etcd still has it.
func (s *Store) floorBefore(ctx context.Context, at farm.Revision) farm.Epoch {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	resp, err := s.client.Get(ctx, s.keys.epochs(), clientv3.WithRev(int64(at)-1))
	if err != nil || len(resp.Kvs) == 0 {
		return 0
	}
	r, err := decode[epochsRecord](resp.Kvs[0].Value)
	if err != nil {
		return 0
	}
	return farm.Epoch(r.Floor)
}

func (s *Store) raiseBy(ctx context.Context, t *txn) error {
	o, err := s.commit(ctx, t)
	if err != nil {
		return err
	}
	s.settle(ctx, o.revision)
	if !o.stored {
		return store.ErrConflict
	}
	return nil
}
