package broker

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// life is one incarnation of the broker, from registering to its end.
type life struct {
	Config
	metrics *metrics
	session store.Session
	me      farm.Life
	permit  *permit
	kick    chan struct{} // the agents are to be looked at again
	acked   atomic.Bool   // the last renewal was acknowledged
	keepers sync.WaitGroup

	contacts   *contacts
	paths      *paths
	contactKey []byte

	saying chan struct{} // holds one while said is replaced, in storage and here
	said   farm.Presence // what the presence says
	unsure bool          // it may say something else: no answer came
}

func newLife(c Config, m *metrics, s store.Session, said farm.Presence) *life {
	l := &life{
		Config: c, metrics: m, session: s,
		me:       farm.Life{Broker: c.Broker, Incarnation: s.Incarnation()},
		kick:     make(chan struct{}, 1),
		contacts: newContacts(said.Unreached), contactKey: said.ContactKey, said: said,
		saying: make(chan struct{}, 1), paths: newPaths(),
	}
	l.Log = l.Log.With("incarnation", s.Incarnation())
	l.permit = newPermit(l.look)
	l.acked.Store(true) // storage has just answered
	return l
}

// look makes the agents' loop look again.
func (l *life) look() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// run lives until ctx ends and everything is handed over (nil), or until the
// presence is lost.
func (l *life) run(ctx context.Context) error {
	// What the life does must outlast ctx: it hands over after ctx has ended.
	living, die := context.WithCancel(context.WithoutCancel(ctx))
	defer die()
	group, living := errgroup.WithContext(living)
	group.Go(func() error { return l.keepPresence(living) })
	group.Go(func() error { return l.runAgents(living) })
	group.Go(func() error { return l.stand(living) })
	group.Go(func() error { return ended(living, l.keepAddress(living)) })
	group.Go(func() error { return ended(living, l.keepContact(living)) })
	group.Go(func() error { return ended(living, l.keepWithoutStorage(living)) })
	group.Go(func() error { return ended(living, l.keepPaths(living)) })
	group.Go(func() error { return ended(living, l.keepSaying(living)) })
	group.Go(func() error {
		select {
		case <-ctx.Done():
			l.leave(living)
			die()
		case <-living.Done():
		}
		return nil
	})
	err := group.Wait()
	l.permit.revoke()
	l.keepers.Wait() // no agent acts any more: the presence may go
	l.close(ctx)
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// keepAddress sees to it that the Site shows where this broker is, also after
// somebody has written another address, as an import of a document of other
// machines does.
func (l *life) keepAddress(ctx context.Context) error {
	for {
		if err := l.join(ctx, true); err != nil {
			return err
		}
		for view := l.Store.Latest(); l.isAt(view); {
			var err error
			if view, err = l.Store.Wait(ctx, view.Revision); err != nil {
				return err
			}
		}
	}
}

// isAt reports whether a View shows this broker where it is. A Site or a broker
// that is not there shows nothing wrong.
func (l *life) isAt(view *store.View) bool {
	p := view.Sites[l.Site]
	if p == nil || l.Address == "" {
		return true
	}
	b, known := p.Brokers[l.Broker]
	return !known || b.Value.Address == l.Address
}

// ended is err, unless ctx has ended.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// close removes the presence, if storage still answers.
func (l *life) close(ctx context.Context) {
	if !l.acked.Load() {
		return // it ends with its lease
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := l.session.Close(ctx); err != nil {
		l.Log.Warn("presence not removed; it ends with its lease", "err", err)
	}
}

// keepPresence renews the lease. The right to act lasts for the TTL less the
// margin from the moment an acknowledged renewal was *sent*: storage counts from
// some later moment.
func (l *life) keepPresence(ctx context.Context) error {
	ttl := l.session.TTL()
	margin := max(l.Margin, farm.MinMargin(ttl))
	for {
		sent := time.Now()
		attempt, cancel := context.WithTimeout(ctx, ttl/3)
		err := l.session.Renew(attempt)
		cancel()
		l.acked.Store(err == nil)
		l.metrics.renewed(err)
		wait := ttl / 4
		switch {
		case err == nil:
			l.permit.extend(sent.Add(ttl - margin))
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, store.ErrLost):
			return err
		default:
			l.Log.Warn("lease not renewed", "err", err, "acts", l.permit.holds())
			wait = ttl / 20
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// leave says that the broker wants to go and waits until nobody is served by it
// any more, as far as others can take over.
func (l *life) leave(ctx context.Context) {
	if !l.acked.Load() {
		l.Log.Warn("storage does not answer; leaving without handing over")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, l.StopTimeout)
	defer cancel()
	announce, done := context.WithTimeout(ctx, time.Second)
	err := l.announce(announce, func(p *farm.Presence) { p.Leaving = true })
	done()
	if err != nil {
		l.Log.Warn("leaving without handing over", "err", err)
		return
	}
	for view := l.Store.Latest(); ; {
		if p := view.Sites[l.Site]; p == nil || !p.Alive(l.me) || p.Presence[l.Broker].Leaving && !l.awaitsHandover(p) {
			return
		}
		if view, err = l.Store.Wait(ctx, view.Revision); err != nil {
			l.Log.Warn("leaving without having handed everything over", "err", err)
			return
		}
	}
}

// keepSaying keeps on record what this life finds out of others and of Providers.
func (l *life) keepSaying(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.contacts.changed:
		case <-l.paths.changed:
		}
		for ctx.Err() == nil {
			announce, done := context.WithTimeout(ctx, l.session.TTL()/3)
			err := l.announce(announce, nil)
			done()
			if err == nil {
				break
			}
			l.Log.Warn("contact not put on record", "err", err)
			_ = pause(ctx, jitter(200*time.Millisecond))
		}
	}
}

// announce puts what the presence is to say on record: who does not answer, and
// what edit changes, if it is not nil.
func (l *life) announce(ctx context.Context, edit func(*farm.Presence)) error {
	select {
	case l.saying <- struct{}{}:
		defer func() { <-l.saying }()
	case <-ctx.Done():
		return ctx.Err()
	}
	next := l.said
	if p := l.Store.Latest().Sites[l.Site]; p != nil {
		next.Unreached, next.Paths = l.contacts.of(p), l.paths.of(p)
	}
	if edit != nil {
		edit(&next)
	} else if !l.unsure && maps.Equal(next.Unreached, l.said.Unreached) && maps.Equal(next.Paths, l.said.Paths) {
		return nil
	}
	err := l.session.Announce(ctx, next)
	if l.unsure = err != nil; !l.unsure {
		l.said = next
	}
	return err
}

// awaitsHandover reports whether a Provider is still to be handed over. It asks
// the rules themselves whether somebody can take it.
func (l *life) awaitsHandover(p *farm.Picture) bool {
	moving := map[farm.ProviderID]bool{}
	for _, d := range farm.Plan(farm.Situation{Picture: p, Now: time.Now(), Cuts: p.Cuts()}).Decisions {
		moving[d.Provider] = d.Next.Target != ""
	}
	for id, o := range p.Owners {
		if o.Value.Owner() == l.me && (o.Value.Target != "" || moving[id]) {
			return true
		}
	}
	return false
}
