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

var _ store.Term = (*term)(nil)

// term is one coordinator's time in office, named by its key's create revision.
type term struct {
	l  *session
	at farm.Revision
}

func (t *term) key() string { return t.l.s.keys.coordinator(t.l.site) }

// write commits while the term lasts and returns the revision it was stored at.
func (t *term) write(ctx context.Context, x *txn) (farm.Revision, error) {
	x.created(t.key(), int64(t.at))
	x.orLook(t.key())
	o, err := t.l.s.commit(ctx, x)
	switch {
	case err != nil:
		return 0, err
	case o.stored:
		return o.revision, nil
	case o.looked[0] != int64(t.at):
		return 0, fmt.Errorf("broker %q, term %d: %w", t.l.broker, t.at, store.ErrDeposed)
	}
	t.l.s.settle(ctx, o.revision) // so that whoever looks again sees what has changed
	return 0, store.ErrConflict
}

func (t *term) Resign(ctx context.Context) error {
	x := &txn{}
	x.delete(t.key())
	at, err := t.write(ctx, x)
	if err != nil {
		return fmt.Errorf("resign in Site %q: %w", t.l.site, err)
	}
	t.l.s.settle(ctx, at)
	return nil
}

// Apply stores the verdict with as many decisions as fit into its transaction,
// then the others, each transaction under the verdict stored first.
func (t *term) Apply(ctx context.Context, was farm.Stored[farm.Seats], seats *farm.Seats, events []farm.Event, decisions []farm.Decision) error {
	if err := t.apply(ctx, was.Revision, seats, events, decisions); err != nil {
		return fmt.Errorf("apply decisions in Site %q: %w", t.l.site, err)
	}
	return nil
}

func (t *term) apply(ctx context.Context, verdict farm.Revision, seats *farm.Seats, events []farm.Event, decisions []farm.Decision) error {
	key := t.l.s.keys.seats(t.l.site)
	for first := true; first || len(decisions) > 0; first = false {
		x := &txn{}
		x.created(t.key(), int64(t.at))
		x.unchanged(key, verdict)
		var told []farm.Event
		if first {
			told = slices.Clone(events)
			if seats != nil {
				value, err := encodeSeats(*seats)
				if err != nil {
					return err
				}
				x.put(key, value)
			}
		}
		n, err := t.fill(x, &told, decisions)
		if err != nil {
			return err
		}
		if err := t.l.s.putEvents(x, t.l.site, told); err != nil {
			return err
		}
		at, err := t.write(ctx, x)
		if err != nil {
			return err
		}
		decisions = decisions[n:]
		if first && seats != nil {
			verdict = at
		}
		if len(decisions) == 0 {
			t.l.s.settle(ctx, at)
		}
	}
	return nil
}

// mostCompares is what one decision can need: its record, and the lives of
// its Guards.
const mostCompares = 5

// fill adds decisions until the transaction is full and returns how many.
func (t *term) fill(x *txn, told *[]farm.Event, decisions []farm.Decision) (int, error) {
	for i, d := range decisions {
		full := len(x.compares)+mostCompares > maxCompares || len(x.then)+len(*told)+2 > maxOps
		if full && i > 0 {
			return i, nil
		}
		value, err := encodeOwner(d.Next)
		if err != nil {
			return 0, err
		}
		key := t.l.s.keys.owner(t.l.site, d.Provider)
		x.unchanged(key, d.Was.Revision)
		gone, present := d.Guards()
		for _, life := range gone {
			x.notCreated(t.l.s.keys.presence(t.l.site, life.Broker), int64(life.Incarnation))
		}
		for _, life := range present {
			x.created(t.l.s.keys.presence(t.l.site, life.Broker), int64(life.Incarnation))
		}
		x.put(key, value)
		if d.Event != nil {
			*told = append(*told, *d.Event)
		}
	}
	return len(decisions), nil
}

// Trim removes the oldest events, which may be more than a View shows.
func (t *term) Trim(ctx context.Context, keep int) error {
	old, err := t.oldEvents(ctx, keep)
	if err != nil {
		return fmt.Errorf("trim events of Site %q: %w", t.l.site, err)
	}
	for first := true; first || len(old) > 0; first = false {
		n := min(len(old), maxOps)
		x := &txn{}
		for _, id := range old[:n] {
			x.delete(t.l.s.keys.event(t.l.site, id))
		}
		at, err := t.write(ctx, x)
		if err != nil {
			return fmt.Errorf("trim events of Site %q: %w", t.l.site, err)
		}
		if old = old[n:]; len(old) == 0 {
			t.l.s.settle(ctx, at)
		}
	}
	return nil
}

// oldEvents lists all events but the newest, the oldest first.
func (t *term) oldEvents(ctx context.Context, keep int) ([]string, error) {
	prefix := t.l.s.keys.all(kindEvent, t.l.site)
	resp, err := ask(ctx, "list events", func(ctx context.Context) (*clientv3.GetResponse, error) {
		return t.l.s.client.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(resp.Kvs, func(a, b *mvccpb.KeyValue) int { return int(a.CreateRevision - b.CreateRevision) })
	over := max(0, len(resp.Kvs)-max(0, keep))
	ids := make([]string, 0, over)
	for _, kv := range resp.Kvs[:over] {
		ids = append(ids, string(kv.Key)[len(prefix):])
	}
	return ids, nil
}
