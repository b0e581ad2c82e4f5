package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

var _ store.Session = (*session)(nil)

// session is one life of a broker: a lease, and the presence key under it.
type session struct {
	s           *Store
	site        farm.SiteID
	broker      farm.BrokerID
	key         string
	lease       int64
	ttl         time.Duration
	incarnation farm.Incarnation
	turn        int64 // of history: an incarnation means nothing in another

	ended sync.Once
	lost  chan struct{} // closed once the presence is known to be gone
}

// Register waits through the View until no other life is present, takes a
// lease, and creates the presence if there still is none.
func (s *Store) Register(ctx context.Context, site farm.SiteID, p farm.Presence, ttl time.Duration) (store.Session, error) {
	l, err := s.register(ctx, site, p, ttl)
	if err != nil {
		return nil, fmt.Errorf("register broker %q in Site %q: %w", p.Broker, site, err)
	}
	return l, nil
}

func (s *Store) register(ctx context.Context, site farm.SiteID, p farm.Presence, ttl time.Duration) (*session, error) {
	for _, id := range []string{string(site), string(p.Broker)} {
		if err := store.CheckID(id); err != nil {
			return nil, err
		}
	}
	if ttl <= 0 {
		return nil, fmt.Errorf("a presence of %v", ttl)
	}
	var after mark // the View must have come that far
	for {
		absent := func(v *store.View) bool {
			return s.views.passed(v, after) && incarnation(v, site, p.Broker) == 0
		}
		here := s.views.until(ctx, nil, absent)
		if err := s.errOver(); err != nil {
			return nil, err
		}
		if here == nil {
			return nil, fmt.Errorf("another life of it is present: %w", ctx.Err())
		}
		l, seen, err := s.tryRegister(ctx, site, p, ttl)
		if l != nil || err != nil {
			return l, err
		}
		after = seen
	}
}

func incarnation(v *store.View, site farm.SiteID, broker farm.BrokerID) farm.Incarnation {
	if p := v.Picture(site); p != nil {
		return p.Presence[broker].Incarnation
	}
	return 0
}

// tryRegister returns no session and no error, but the revision at which it
// was so, if another life is present.
func (s *Store) tryRegister(ctx context.Context, site farm.SiteID, p farm.Presence, ttl time.Duration) (*session, mark, error) {
	if err := ctx.Err(); err != nil {
		return nil, mark{}, translate(ctx, err)
	}
	l := &session{
		s: s, site: site, broker: p.Broker, key: s.keys.presence(site, p.Broker),
		// The name of the lease is chosen here, so that it can be given up even
		// if the answer to the grant never comes.
		lease: rand.Int64(), lost: make(chan struct{}),
	}
	value, err := encodePresence(p)
	if err != nil {
		return nil, mark{}, err
	}
	if err := l.grant(ctx, ttl); err != nil {
		return nil, mark{}, err
	}
	turn := s.views.turn.Load() // if it ends from here on, this life ends with it
	if rest := s.views.turn.unsettled(l.ttl); rest > 0 {
		l.giveUp(ctx)
		pause(ctx, rest)
		return nil, mark{}, translate(ctx, ctx.Err())
	}
	var t txn
	t.created(l.key, 0)
	t.put(l.key, value, clientv3.WithLease(clientv3.LeaseID(l.lease)))
	o, err := s.commit(ctx, &t)
	if err != nil || !o.stored {
		l.giveUp(ctx)
		return nil, o.mark(), err
	}
	l.incarnation, l.turn = farm.Incarnation(o.revision), turn
	s.settle(ctx, o.revision)
	return l, mark{}, nil
}

// grant takes a lease, and gives it up if that fails or ctx ends. Its request is
// not cancelled with ctx: on its way, it could reach etcd after the revocation.
func (l *session) grant(ctx context.Context, ttl time.Duration) error {
	var err error
	answered := make(chan struct{})
	go func() { defer close(answered); err = l.askGrant(ttl) }()
	select {
	case <-answered:
		if err != nil {
			l.giveUp(ctx)
		}
		return translate(ctx, err)
	case <-ctx.Done():
		go func() { <-answered; l.giveUp(ctx) }()
		return translate(ctx, ctx.Err())
	}
}

func (l *session) askGrant(ttl time.Duration) error {
	one, cancel := context.WithTimeout(l.s.client.Ctx(), writeTimeout)
	defer cancel()
	seconds := int64((ttl + time.Second - 1) / time.Second)
	resp, err := l.s.leases.LeaseGrant(one, &etcdserverpb.LeaseGrantRequest{TTL: seconds, ID: l.lease}, grpc.WaitForReady(true))
	if err == nil && resp.Error != "" {
		err = errors.New(resp.Error)
	}
	if err != nil {
		return err
	}
	l.ttl = time.Duration(resp.TTL) * time.Second
	return nil
}

// giveUp revokes the lease of a registration that came to nothing. If etcd is
// away the lease runs out by itself.
func (l *session) giveUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	if err := l.revoke(ctx); err != nil {
		l.s.log.Debug("lease of a registration that was given up is left to run out", "site", l.site, "broker", l.broker, "error", err)
	}
}

func (l *session) revoke(ctx context.Context) error {
	_, err := l.s.leases.LeaseRevoke(ctx, &etcdserverpb.LeaseRevokeRequest{ID: l.lease}, grpc.WaitForReady(true))
	if errors.Is(rpctypes.Error(err), rpctypes.ErrLeaseNotFound) {
		return nil
	}
	return err
}

func (l *session) Incarnation() farm.Incarnation { return l.incarnation }

func (l *session) TTL() time.Duration { return l.ttl }

// Lost reports what is known without asking storage. Who has a View of another
// turn in hand is told: the turn began before that View was there.
func (l *session) Lost() bool { return l.check() != nil }

func (l *session) life() farm.Life { return farm.Life{Broker: l.broker, Incarnation: l.incarnation} }

// end marks the session as lost.
func (l *session) end() { l.ended.Do(func() { close(l.lost) }) }

// errLost is the error of a session whose presence is gone.
func (l *session) errLost() error {
	l.end()
	return fmt.Errorf("broker %q, incarnation %d: %w", l.broker, l.incarnation, store.ErrLost)
}

// check refuses what a session does that is known to be lost, also by the
// View: a presence can be deleted, with its Site, while its lease lives on. So
// it can when storage is another's, or is put back to an earlier state.
func (l *session) check() error {
	select {
	case <-l.lost:
		return l.errLost()
	default:
	}
	if l.goneIn(l.s.Latest()) || l.s.other.Load() || l.s.views.turn.Load() != l.turn {
		return l.errLost()
	}
	return nil
}

func (l *session) goneIn(v *store.View) bool {
	return v.Revision >= farm.Revision(l.incarnation) && incarnation(v, l.site, l.broker) != l.incarnation
}

// Renew asks for another TTL, of one member after the other if need be.
func (l *session) Renew(ctx context.Context) error {
	if err := l.check(); err != nil {
		return fmt.Errorf("renew presence: %w", err)
	}
	attempt := min(max(l.ttl/4, 200*time.Millisecond), readTimeout)
	for {
		seen := l.s.here()
		at, err := l.keepAlive(ctx, attempt)
		if err == nil && !seen.precedes(at) {
			_, err = l.s.now(ctx) // the member lags, or storage was put back: see
		}
		switch {
		case err == nil:
			if err = l.check(); err == nil {
				return nil
			}
			return fmt.Errorf("renew presence: %w", err)
		case errors.Is(err, store.ErrLost), errors.Is(err, store.ErrOtherFarm):
			return fmt.Errorf("renew presence: %w", l.errLost())
		case ctx.Err() != nil || !errors.Is(err, store.ErrUnavailable):
			return fmt.Errorf("renew presence: %w", err)
		}
		pause(ctx, retryPause)
	}
}

// keepAlive sends one renewal and waits for its answer, and returns the place
// that the member which gave it is at.
func (l *session) keepAlive(ctx context.Context, timeout time.Duration) (place, error) {
	one, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stream, err := l.s.leases.LeaseKeepAlive(one, grpc.WaitForReady(true))
	if err != nil {
		return place{}, translate(ctx, err)
	}
	if err := stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: l.lease}); err != nil {
		return place{}, translate(ctx, err)
	}
	resp, err := stream.Recv()
	if err != nil {
		return place{}, translate(ctx, err)
	}
	if resp.TTL <= 0 {
		return place{}, store.ErrLost
	}
	return placeOf(resp.Header), nil
}

func (l *session) Announce(ctx context.Context, p farm.Presence) error {
	value, err := encodePresence(p)
	if err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	var t txn
	t.put(l.key, value, clientv3.WithLease(clientv3.LeaseID(l.lease)))
	if err := l.write(ctx, &t, store.ErrConflict); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	return nil
}

// Close gives the lease back, and with it the presence and the term. One of
// another turn of history is left to run out: it says how long lives of that turn
// may go on elsewhere.
func (l *session) Close(ctx context.Context) error {
	l.end()
	if l.s.views.turn.Load() != l.turn {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("close session: %w", translate(ctx, err))
	}
	if err := l.revoke(ctx); err != nil {
		return fmt.Errorf("close session: %w", translate(ctx, err))
	}
	return nil
}

// write commits as this incarnation. If something else does not hold, the
// error is otherwise.
func (l *session) write(ctx context.Context, t *txn, otherwise error) error {
	if err := l.check(); err != nil {
		return err
	}
	t.created(l.key, int64(l.incarnation))
	t.orLook(l.key)
	o, err := l.s.commit(ctx, t)
	if err != nil {
		if errors.Is(err, store.ErrLost) { // the lease, which the put names, is gone
			return l.errLost()
		}
		return err
	}
	l.s.settle(ctx, o.revision)
	switch {
	case o.stored:
		return nil
	case o.looked[0] != int64(l.incarnation):
		return l.errLost()
	}
	return otherwise
}
