package etcd

import (
	"context"
	"errors"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// maxOps is how many compares, and how many operations, etcd takes in one
// transaction unless it is told otherwise. One compare is the Farm's.
const (
	maxOps      = 128
	maxCompares = maxOps - 1
)

// txn is a transaction in the making: what must hold, what it does then, and
// what it looks at otherwise. The same compare twice counts once.
type txn struct {
	compares  []clientv3.Cmp
	seen      map[compare]bool
	then      []clientv3.Op
	look      []clientv3.Op
	signature string // a key that only this transaction writes; empty: it has none
}

type compare struct {
	key, target, op string
	rev             int64
}

func (t *txn) compare(c compare, cmp clientv3.Cmp) {
	if t.seen[c] {
		return
	}
	if t.seen == nil {
		t.seen = map[compare]bool{}
	}
	t.seen[c] = true
	t.compares = append(t.compares, clientv3.Compare(cmp, c.op, c.rev))
}

// unchanged: the key was last written at that revision; 0: it is not there.
func (t *txn) unchanged(key string, at farm.Revision) {
	t.compare(compare{key, "mod", "=", int64(at)}, clientv3.ModRevision(key))
}

// exists: the key is there.
func (t *txn) exists(key string) {
	t.compare(compare{key, "create", ">", 0}, clientv3.CreateRevision(key))
}

// created: the key is the one that was created at that revision; 0: it is not there.
func (t *txn) created(key string, at int64) {
	t.compare(compare{key, "create", "=", at}, clientv3.CreateRevision(key))
}

// notCreated: the key is not the one that was created at that revision.
func (t *txn) notCreated(key string, at int64) {
	t.compare(compare{key, "create", "!=", at}, clientv3.CreateRevision(key))
}

// nothingNewer: no key with the prefix was written after that revision. Keys
// that have been deleted since are not noticed.
func (t *txn) nothingNewer(prefix string, than farm.Revision) {
	t.compare(compare{prefix, "mod all", "<", int64(than) + 1}, clientv3.ModRevision(prefix).WithPrefix())
}

func (t *txn) put(key string, value []byte, opts ...clientv3.OpOption) {
	t.then = append(t.then, clientv3.OpPut(key, string(value), opts...))
}

func (t *txn) delete(key string) { t.then = append(t.then, clientv3.OpDelete(key)) }

func (t *txn) deleteAll(prefix string) {
	t.then = append(t.then, clientv3.OpDelete(prefix, clientv3.WithPrefix()))
}

// orLook reads keys, without their values, if something does not hold.
func (t *txn) orLook(keys ...string) {
	for _, k := range keys {
		t.look = append(t.look, clientv3.OpGet(k, clientv3.WithKeysOnly()))
	}
}

// operations returns what is done. More than etcd takes at once is wrapped
// into transactions inside the transaction, which stay one whole.
func (t *txn) operations() []clientv3.Op {
	if len(t.then) <= maxOps {
		return t.then
	}
	size := (maxCompares - len(t.compares)) / 2
	if size < 1 {
		return t.then // etcd refuses it
	}
	var wrapped []clientv3.Op
	for rest := t.then; len(rest) > 0; {
		n := min(size, len(rest))
		wrapped = append(wrapped, clientv3.OpTxn(nil, rest[:n], nil))
		rest = rest[n:]
	}
	return wrapped
}

// outcome is how a transaction ended.
type outcome struct {
	stored   bool
	revision farm.Revision
	turn     int64   // of history, before it was sent
	looked   []int64 // create revisions of the keys looked at; 0: not there
}

// commit sends the transaction. If there is no answer it may have been stored or
// not. One with a signature is then sent again, within writeTimeout: a member
// that is being stopped can swallow what it was sent. Should the first have been
// stored all the same, then the second finds its compares broken, and its own
// signature there; or it writes the same again.
func (s *Store) commit(ctx context.Context, t *txn) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if t.signature == "" {
		return s.commitOnce(ctx, t)
	}
	t.orLook(t.signature)
	for {
		o, err := s.commitSigned(ctx, t)
		if !errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil {
			return o, err
		}
		pause(ctx, resendWait)
	}
}

// commitSigned is one attempt, which is stored also if an earlier one was.
func (s *Store) commitSigned(ctx context.Context, t *txn) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	o, err := s.commitOnce(ctx, t)
	if err != nil || o.stored {
		return o, err
	}
	if at := o.looked[len(t.look)-1]; at != 0 {
		o.stored, o.revision = true, farm.Revision(at)
	}
	return o, nil
}

func (s *Store) commitOnce(ctx context.Context, t *txn) (outcome, error) {
	turn := s.views.turn.Load()
	resp, err := s.commitRaw(ctx, t.compares, t.operations(), t.look)
	if err != nil {
		return outcome{}, err
	}
	o := outcome{stored: resp.Succeeded, revision: farm.Revision(resp.Header.Revision), turn: turn}
	if o.stored {
		return o, nil
	}
	for _, r := range resp.Responses {
		var created int64
		if kvs := r.GetResponseRange().GetKvs(); len(kvs) > 0 {
			created = kvs[0].CreateRevision
		}
		o.looked = append(o.looked, created)
	}
	return o, nil
}

// mark is where the View shows what the transaction found or did.
func (o outcome) mark() mark { return mark{o.revision, o.turn} }

// commitRaw stores nothing in a storage that is not the Farm's.
func (s *Store) commitRaw(ctx context.Context, compares []clientv3.Cmp, then, look []clientv3.Op) (*clientv3.TxnResponse, error) {
	if err := ctx.Err(); err != nil {
		return nil, translate(ctx, err)
	}
	if err := s.errOver(); err != nil {
		return nil, err
	}
	one, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	known, seen := s.met(), s.here()
	compares, look = s.guarded(known, compares, look)
	resp, err := s.client.Txn(one).If(compares...).Then(then...).Else(look...).Commit()
	if err != nil {
		return nil, translate(ctx, err)
	}
	s.doubtUnless(seen, resp.Header)
	return resp, s.checkGuard(known, resp)
}
