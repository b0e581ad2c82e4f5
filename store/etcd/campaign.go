package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// retryMost is the longest wait before standing again for an office that seems
// vacant and is not.
const retryMost = time.Second

// Campaign waits through the View until there is no coordinator, and then
// tries to be it. The key hangs on the session's lease and names its presence
// in the same transaction, so that nobody is elected who is not there.
func (l *session) Campaign(ctx context.Context) (store.Term, error) {
	t, err := l.campaign(ctx)
	if err != nil {
		return nil, fmt.Errorf("campaign in Site %q: %w", l.site, err)
	}
	return t, nil
}

func (l *session) campaign(ctx context.Context) (*term, error) {
	var after mark
	for wait := time.Millisecond; ; wait = min(2*wait, retryMost) {
		if err := l.check(); err != nil {
			return nil, err
		}
		open := func(v *store.View) bool {
			return l.goneIn(v) || l.s.views.passed(v, after) && vacant(v, l.site, l.broker)
		}
		if l.s.views.until(ctx, l.lost, open) == nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := l.check(); err != nil {
			return nil, err
		}
		t, seen, err := l.stand(ctx)
		switch {
		case t != nil:
			return t, nil
		case err == nil:
			after = seen
			pause(ctx, wait)
		case ctx.Err() != nil || !errors.Is(err, store.ErrUnavailable):
			return nil, err
		default:
			pause(ctx, retryPause) // if it was stored after all, the next try finds it
		}
	}
}

// vacant: the Site has no coordinator but, perhaps, the candidate itself.
func vacant(v *store.View, site farm.SiteID, candidate farm.BrokerID) bool {
	p := v.Picture(site)
	return p == nil || p.Coordinator.Broker == "" || p.Coordinator.Broker == candidate
}

// stand tries once. It returns no term and no error, but the revision at which
// it was so, if another broker is the coordinator.
func (l *session) stand(ctx context.Context) (*term, mark, error) {
	turn := l.s.views.turn.Load()
	key := l.s.keys.coordinator(l.site)
	value, err := encode(coordinatorRecord{l.broker})
	if err != nil {
		return nil, mark{}, err
	}
	resp, err := l.s.commitRaw(ctx,
		[]clientv3.Cmp{
			clientv3.Compare(clientv3.CreateRevision(key), "=", 0),
			clientv3.Compare(clientv3.CreateRevision(l.key), "=", int64(l.incarnation)),
		},
		[]clientv3.Op{clientv3.OpPut(key, string(value), clientv3.WithLease(clientv3.LeaseID(l.lease)))},
		[]clientv3.Op{clientv3.OpGet(l.key, clientv3.WithKeysOnly()), clientv3.OpGet(key)})
	switch {
	case errors.Is(err, store.ErrLost):
		return nil, mark{}, l.errLost()
	case err != nil:
		return nil, mark{}, err
	}
	rev := farm.Revision(resp.Header.Revision)
	if resp.Succeeded {
		l.s.settle(ctx, rev)
		return &term{l: l, at: rev}, mark{}, nil
	}
	here, holder := resp.Responses[0].GetResponseRange().GetKvs(), resp.Responses[1].GetResponseRange().GetKvs()
	if len(here) == 0 || here[0].CreateRevision != int64(l.incarnation) {
		return nil, mark{}, l.errLost()
	}
	if len(holder) > 0 && holder[0].Lease == l.lease { // elected already
		return &term{l: l, at: farm.Revision(holder[0].CreateRevision)}, mark{}, nil
	}
	if len(holder) > 0 {
		if err := l.vacate(ctx, holder[0]); err != nil {
			return nil, mark{}, err
		}
	}
	return nil, mark{rev, turn}, nil
}

// vacate removes the key of a coordinator that will not go by itself: it has no
// lease, as after it was stored by hand, or no presence is older than it is. Should
// the coordinator live after all, its writes find their term over.
func (l *session) vacate(ctx context.Context, holder *mvccpb.KeyValue) error {
	var t txn
	t.created(l.key, int64(l.incarnation))
	t.unchanged(string(holder.Key), farm.Revision(holder.ModRevision))
	if holder.Lease != 0 {
		who, err := decode[coordinatorRecord](holder.Value)
		if err != nil {
			return nil //nolint:nilerr // whoever it is, its lease says how long
		}
		key := l.s.keys.presence(l.site, who.Broker)
		resp, err := ask(ctx, "read "+key, func(ctx context.Context) (*clientv3.GetResponse, error) {
			return l.s.client.Get(ctx, key, clientv3.WithKeysOnly())
		})
		if err != nil {
			return err
		}
		var created int64
		if len(resp.Kvs) > 0 {
			created = resp.Kvs[0].CreateRevision
		}
		if created != 0 && created <= holder.CreateRevision {
			return nil
		}
		t.created(key, created)
	}
	t.delete(string(holder.Key))
	o, err := l.s.commitOnce(ctx, &t)
	if err == nil && o.stored {
		l.s.log.Warn("the record of a coordinator that is gone was left over and is removed", "key", string(holder.Key), "value", string(holder.Value))
	}
	return err
}
