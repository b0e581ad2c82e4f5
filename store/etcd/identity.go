package etcd

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/store"
)

// etcd with an empty directory has no memory of ever having had another: same
// address, same cluster ID, revisions from 1. So the Farm's record is compared,
// a random one, made with the Farm and never changed.

// meet finds out which Farm this is, the first time that etcd answers. A
// storage without one becomes a new Farm, unless this is a visit.
func (s *Store) meet(ctx context.Context) error {
	for s.farm.Load() == nil {
		farm, format, err := s.records(ctx)
		if err != nil {
			return err
		}
		if format != nil {
			if err := s.checkFormat(format); err != nil {
				return err
			}
		}
		if farm != nil {
			known := record(farm.Value)
			s.farm.Store(&known)
			return nil
		}
		if s.visit {
			return s.nothingToFound(format)
		}
		if err := s.found(ctx, format); err != nil {
			return err
		}
	}
	return nil
}

// nothingToFound is nil for a Farm of a version that gave no names: to give it one
// is for its servers.
func (s *Store) nothingToFound(format *mvccpb.KeyValue) error {
	if format != nil {
		return nil
	}
	return fmt.Errorf("%w: nothing is stored under %s", store.ErrNoFarm, s.keys.prefix)
}

// records reads what is said of the Farm as a whole; nil: nothing.
func (s *Store) records(ctx context.Context) (farm, format *mvccpb.KeyValue, err error) {
	resp, err := ask(ctx, "read which Farm this is", func(ctx context.Context) (*clientv3.TxnResponse, error) {
		return s.client.Txn(ctx).Then(clientv3.OpGet(s.keys.farm()), clientv3.OpGet(s.keys.format())).Commit()
	})
	if err != nil {
		return nil, nil, err
	}
	return only(resp.Responses[0]), only(resp.Responses[1]), nil
}

// found makes a new Farm, unless somebody does so at the same time. A Farm of a
// version that gave no names has a format already, and only gets its name.
func (s *Store) found(ctx context.Context, format *mvccpb.KeyValue) error {
	name, err := encode(farmRecord{rand.Text()})
	if err != nil {
		return err
	}
	version, err := encode(formatRecord{formatVersion})
	if err != nil {
		return err
	}
	var t txn
	t.unchanged(s.keys.farm(), 0)
	t.put(s.keys.farm(), name)
	if format == nil {
		t.unchanged(s.keys.format(), 0)
		t.put(s.keys.format(), version)
	}
	o, err := s.commit(ctx, &t)
	if err == nil && o.stored && format == nil {
		s.log.Warn("storage was empty: a new Farm begins", "prefix", s.keys.prefix)
	}
	return err
}

// record is the Farm's record as it lies in etcd; empty: not met yet.
type record string

// met returns the record of this server's Farm. Whoever compares takes it before
// asking etcd: one that is made meanwhile was not there to be read.
func (s *Store) met() record {
	if known := s.farm.Load(); known != nil {
		return *known
	}
	return ""
}

// is reports whether what lies in etcd is that record; nil: nothing does.
func (r record) is(kv *mvccpb.KeyValue) bool {
	return r == "" || kv != nil && string(kv.Value) == string(r)
}

// errOther notes that etcd holds another Farm, and has Run look for itself.
func (s *Store) errOther() error {
	s.other.Store(true)
	s.listAgain()
	return store.ErrOtherFarm
}

// listAgain has Run list everything, since the View may have nothing to do with
// what etcd holds.
func (s *Store) listAgain() {
	select {
	case s.doubt <- struct{}{}:
	default: // it is about to
	}
}

// guarded adds to a transaction that this is still the Farm; the last response
// of one that does not hold is then the Farm's record.
func (s *Store) guarded(known record, compares []clientv3.Cmp, look []clientv3.Op) ([]clientv3.Cmp, []clientv3.Op) {
	if known == "" {
		return compares, look
	}
	return append(slices.Clip(compares), clientv3.Compare(clientv3.Value(s.keys.farm()), "=", string(known))),
		append(slices.Clip(look), clientv3.OpGet(s.keys.farm()))
}

// checkGuard says whether it was another Farm that a transaction found.
func (s *Store) checkGuard(known record, resp *clientv3.TxnResponse) error {
	if known == "" || resp.Succeeded {
		return nil
	}
	if !known.is(only(resp.Responses[len(resp.Responses)-1])) {
		return s.errOther()
	}
	return nil
}

// only returns the one key that was asked for; nil: it is not there.
func only(resp *etcdserverpb.ResponseOp) *mvccpb.KeyValue {
	if kvs := resp.GetResponseRange().GetKvs(); len(kvs) > 0 {
		return kvs[0]
	}
	return nil
}
