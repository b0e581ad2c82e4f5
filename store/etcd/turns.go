package etcd

import (
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/quorate/quorate/farm"
)

// A restored etcd is the same Farm with another past: what was done since the
// snapshot is not. Its revision is lower than what was seen, or far higher if it
// was restored as etcd advises; its cluster may be another. Each answer says both.

// leap is more revisions than pass between two answers to a server that is
// watching, and far fewer than docs/backup.md has a restore go up by. That a
// server which was away for long takes it for a restore does no harm: its
// presence has gone anyway.
const leap = 500_000

// place is where an answer says that storage is.
type place struct {
	cluster  uint64 // 0: not said
	revision farm.Revision
}

func placeOf(h *etcdserverpb.ResponseHeader) place {
	return place{h.GetClusterId(), farm.Revision(h.GetRevision())}
}

// parted reports whether next is not of the same turn of history as p, however
// much the member that says so lags.
func (p place) parted(next place) bool {
	switch {
	case p.revision == 0: // nothing has been seen
		return false
	case p.cluster != 0 && next.cluster != 0 && p.cluster != next.cluster:
		return true
	}
	return next.revision > p.revision+leap
}

// precedes reports whether next can follow p in one turn of history, if both are
// said by a quorum.
func (p place) precedes(next place) bool {
	return next.revision >= p.revision && !p.parted(next)
}

// turn counts the turns of history: each is one life of storage, from one restore
// to the next.
type turn struct {
	count atomic.Int64
	since atomic.Pointer[time.Time] // nil: it is the first that this server has seen
}

func (t *turn) Load() int64 { return t.count.Load() }

func (t *turn) begin() {
	now := time.Now()
	t.since.Store(&now)
	t.count.Add(1)
}

// unsettled is how long it is until every life of an earlier turn has ended that
// had a lease of ttl: a server that still waits for its answer from before the
// restore goes on by its own clock until then.
func (t *turn) unsettled(ttl time.Duration) time.Duration {
	began := t.since.Load()
	if began == nil {
		return 0
	}
	return max(0, ttl-time.Since(*began))
}

// here is the place that the View shows.
func (s *Store) here() place {
	return place{s.views.cluster.Load(), s.Latest().Revision}
}

// doubtUnless has everything listed again if an answer cannot follow what was
// seen before it was asked for.
func (s *Store) doubtUnless(seen place, answer *etcdserverpb.ResponseHeader) {
	if !seen.precedes(placeOf(answer)) {
		s.listAgain()
	}
}
