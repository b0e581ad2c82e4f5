package etcd

import (
	"context"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// How much of the past is kept for At, so that the next page of a list costs
// etcd nothing: the newest Views, fewer when each holds a copy of a large
// inventory. What is older is read from etcd.
const (
	viewsKept = 128
	hostsKept = 100_000 // about 30 MB of memory
)

// views publishes Views: one writer, any number of readers and waiters.
type views struct {
	latest  atomic.Pointer[store.View]
	turn    turn
	cluster atomic.Uint64 // that the View was listed from
	over    chan struct{} // closed when there will be no more

	mu      sync.Mutex
	kept    []*store.View // without a gap, newest last
	copied  int           // Hosts, by all that are kept
	top     farm.Revision // the highest that was ever shown
	changed chan struct{} // closed when there is a newer one
}

// mark is a revision that storage has reached in one turn of history: the same
// number means something else in another.
type mark struct {
	revision farm.Revision
	turn     int64
}

// passed reports whether a View shows what a mark stands for, or never will.
func (v *views) passed(now *store.View, m mark) bool {
	return now.Revision >= m.revision || v.turn.Load() != m.turn
}

// reset publishes a View that does not follow from the one before.
func (v *views) reset(next *store.View, cluster uint64) {
	v.publish(next, place{cluster, next.Revision}, false)
}

// add publishes the View that follows.
func (v *views) add(next *store.View) {
	v.publish(next, place{v.cluster.Load(), next.Revision}, true)
}

// publish begins a turn before the View that shows it can be seen.
func (v *views) publish(next *store.View, at place, follows bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !follows {
		v.kept, v.copied = nil, 0
	}
	if now := v.latest.Load(); now != nil && !(place{v.cluster.Load(), now.Revision}).precedes(at) {
		v.turn.begin()
	}
	v.cluster.Store(at.cluster)
	v.top = max(v.top, next.Revision)
	v.kept = append(v.kept, next)
	v.copied += next.Copied()
	for len(v.kept) > viewsKept || len(v.kept) > 1 && v.copied > hostsKept {
		v.copied -= v.kept[0].Copied()
		v.kept[0] = nil
		v.kept = v.kept[1:]
	}
	v.latest.Store(next)
	if v.changed != nil {
		close(v.changed)
	}
	v.changed = make(chan struct{})
}

// watch returns the newest View, and what is closed when there is a newer one.
func (v *views) watch() (*store.View, <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.latest.Load(), v.changed
}

// shown reports whether Views have come to a revision, be it before they went back.
func (v *views) shown(rev farm.Revision) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return rev <= v.top
}

// at returns the View that showed a revision, nil if it is not kept.
func (v *views) at(rev farm.Revision) *store.View {
	v.mu.Lock()
	defer v.mu.Unlock()
	if rev > v.latest.Load().Revision {
		return nil
	}
	later := sort.Search(len(v.kept), func(i int) bool { return v.kept[i].Revision > rev })
	if later == 0 {
		return nil
	}
	return v.kept[later-1]
}

// until blocks until a View is as wanted and returns it, or until ctx or stop
// ends, or there will be no more Views, and returns nil.
func (v *views) until(ctx context.Context, stop <-chan struct{}, ok func(*store.View) bool) *store.View {
	for {
		now, changed := v.watch()
		if ok(now) {
			return now
		}
		select {
		case <-changed:
		case <-stop:
			return nil
		case <-v.over:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// Latest returns the newest View.
func (s *Store) Latest() *store.View { return s.views.latest.Load() }

// Wait blocks until there is a View newer than a revision, or history has gone
// back: the caller has seen a later one than there is now.
func (s *Store) Wait(ctx context.Context, after farm.Revision) (*store.View, error) {
	v := s.views.until(ctx, nil, func(v *store.View) bool {
		return v.Revision > after || v.Revision < after && s.views.shown(after)
	})
	if err := s.errOver(); err != nil {
		return nil, err
	}
	if v == nil {
		return nil, ctx.Err()
	}
	return v, nil
}
