package etcd

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

const (
	askAfter = 3 * time.Millisecond  // the View is usually there by then
	askAgain = 50 * time.Millisecond // a watch that is catching up does not answer

	settleTimeout = 300 * time.Millisecond
)

// errWentBack: history has gone back during a call; the same call may succeed later.
var errWentBack = fmt.Errorf("%w: it was put back to an earlier state", store.ErrUnavailable)

// Current asks storage for its revision and waits until the View is there.
func (s *Store) Current(ctx context.Context) (*store.View, error) {
	at, err := s.now(ctx)
	if err != nil {
		return nil, fmt.Errorf("current view: %w", err)
	}
	v, err := s.reach(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("current view: %w", err)
	}
	return v, nil
}

// reach waits until the View has come to what storage has reached. The watch
// tells of our keys only, so it is asked how far it is. It is ErrUnavailable if
// history goes back meanwhile: that was another state than there is now.
func (s *Store) reach(ctx context.Context, at mark) (*store.View, error) {
	var timer *time.Timer
	for {
		v, changed := s.views.watch()
		if err := s.errOver(); err != nil {
			return nil, err
		}
		switch {
		case s.views.turn.Load() != at.turn:
			return nil, errWentBack
		case s.ready.Load() && v.Revision >= at.revision:
			return v, nil
		}
		if timer == nil {
			timer = time.NewTimer(askAfter)
			defer timer.Stop()
		}
		select {
		case <-changed:
		case <-s.views.over:
		case <-timer.C:
			select {
			case s.asks <- struct{}{}:
			default: // somebody has asked
			}
			timer.Reset(askAgain)
		case <-ctx.Done():
			return nil, unreached(ctx)
		}
	}
}

// settle waits for the View to show a write that is done, so that its caller
// sees what it did. That the View lags, or is kept current no more, is no
// failure of the write.
func (s *Store) settle(ctx context.Context, at farm.Revision) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	s.views.until(ctx, s.ended, func(v *store.View) bool { return v.Revision >= at })
}

// reads shares linearizable reads: all who come while one is under way share
// the next, which begins after each of them has come.
type reads struct {
	mu      sync.Mutex
	running bool
	next    *read
}

type read struct {
	done chan struct{}
	at   mark
	err  error
}

// now returns how far storage is, no earlier than the call. It is ErrOtherFarm
// if storage is not this Farm's.
func (s *Store) now(ctx context.Context) (mark, error) {
	return askFor(ctx, 2*readTimeout, "ask for the revision", func(ctx context.Context) (mark, error) {
		r := s.join()
		select {
		case <-r.done:
			return r.at, r.err
		case <-ctx.Done():
			return mark{}, ctx.Err()
		}
	})
}

func (s *Store) join() *read {
	s.reads.mu.Lock()
	defer s.reads.mu.Unlock()
	if s.reads.next == nil {
		s.reads.next = &read{done: make(chan struct{})}
	}
	r := s.reads.next
	if !s.reads.running {
		s.reads.running = true
		go s.readOn()
	}
	return r
}

// readOn reads as long as somebody waits for a read.
func (s *Store) readOn() {
	for {
		s.reads.mu.Lock()
		r := s.reads.next
		s.reads.next = nil
		if r == nil {
			s.reads.running = false
			s.reads.mu.Unlock()
			return
		}
		s.reads.mu.Unlock()
		r.at, r.err = s.readNow()
		close(r.done)
	}
}

// readNow reads the Farm's record, and with it the revision. If that cannot follow
// what has been seen before, storage was put back to an earlier state, and
// everything is to be listed again first.
func (s *Store) readNow() (mark, error) {
	ctx, cancel := context.WithTimeout(s.client.Ctx(), readTimeout)
	defer cancel()
	known, turn, seen := s.met(), s.views.turn.Load(), s.here()
	resp, err := s.client.Get(ctx, s.keys.farm())
	if err != nil {
		return mark{}, err
	}
	var found *mvccpb.KeyValue
	if len(resp.Kvs) > 0 {
		found = resp.Kvs[0]
	}
	at := mark{farm.Revision(resp.Header.Revision), turn}
	switch {
	case !known.is(found):
		return mark{}, s.errOther()
	case s.views.turn.Load() != turn:
		return mark{}, errWentBack
	case !seen.precedes(placeOf(resp.Header)):
		s.listAgain()
		return mark{}, errWentBack
	}
	return at, nil
}

// At returns the Site as it was, from the Views that are kept or from etcd.
func (s *Store) At(ctx context.Context, site farm.SiteID, at farm.Revision) (*farm.Picture, error) {
	if at > s.Latest().Revision {
		if _, err := s.Current(ctx); err != nil {
			return nil, fmt.Errorf("Site %q at revision %d: %w", site, at, err)
		}
	}
	if at <= 0 || at > s.Latest().Revision {
		return nil, fmt.Errorf("Site %q at revision %d: %w", site, at, store.ErrGone)
	}
	if v := s.views.at(at); v != nil {
		return v.Sites[site], nil
	}
	a := s.assemble(nil, int64(at))
	take := func(_ int64, kvs []*mvccpb.KeyValue) error {
		for _, kv := range kvs {
			a.put(kv)
		}
		return nil
	}
	keys := []string{s.keys.epochs()}
	for _, kind := range kindsOne() {
		keys = append(keys, s.keys.one(kind, site))
	}
	for _, key := range keys {
		resp, err := ask(ctx, "read "+key, func(ctx context.Context) (*clientv3.GetResponse, error) {
			return s.client.Get(ctx, key, clientv3.WithRev(int64(at)))
		})
		if err != nil {
			return nil, fmt.Errorf("Site %q at revision %d: %w", site, at, err)
		}
		_ = take(0, resp.Kvs)
	}
	for _, kind := range kindsMany() {
		if _, err := s.scan(ctx, s.keys.all(kind, site), int64(at), take); err != nil {
			return nil, fmt.Errorf("Site %q at revision %d: %w", site, at, err)
		}
	}
	return a.view().Sites[site], nil
}
