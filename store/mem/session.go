package mem

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

var _ store.Session = (*session)(nil)

// session is one life of a broker. It is alive while memory.lives names it.
type session struct {
	s           *Store
	m           *memory
	key         brokerKey
	incarnation farm.Incarnation
	ttl         time.Duration
	timer       *time.Timer // guarded by memory.mu
	renewals    int         // tells a timer that has just been overtaken
}

func (s *Store) Register(ctx context.Context, site farm.SiteID, p farm.Presence, ttl time.Duration) (store.Session, error) {
	if ttl <= 0 {
		return nil, fmt.Errorf("register broker %q: a presence of %v", p.Broker, ttl)
	}
	for _, id := range []string{string(site), string(p.Broker)} {
		if err := store.CheckID(id); err != nil {
			return nil, fmt.Errorf("register: %w", err)
		}
	}
	for {
		if err := s.reach(ctx); err != nil {
			return nil, fmt.Errorf("register broker %q: %w", p.Broker, err)
		}
		l, seen := s.tryRegister(site, p, ttl)
		if l != nil {
			return l, nil
		}
		if _, err := s.Wait(ctx, seen); err != nil {
			return nil, fmt.Errorf("register broker %q, which is present already: %w", p.Broker, err)
		}
	}
}

func (s *Store) tryRegister(site farm.SiteID, p farm.Presence, ttl time.Duration) (*session, farm.Revision) {
	m := s.m
	m.mu.Lock()
	defer m.mu.Unlock()
	key := brokerKey{site, p.Broker}
	if m.lives[key] != nil {
		return nil, m.view.Revision
	}
	l := &session{s: s, m: m, key: key, ttl: ttl}
	l.incarnation = farm.Incarnation(m.write(func(d *store.Draft) {
		p.Incarnation = farm.Incarnation(d.Revision())
		d.Site(site).PutPresence(ownPresence(p))
	}))
	m.lives[key] = l
	l.arm()
	return l, 0
}

// arm starts the lease anew. The caller holds mu.
func (l *session) arm() {
	l.renewals++
	n := l.renewals
	l.timer = time.AfterFunc(l.ttl, func() {
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		if l.renewals == n && l.alive() {
			l.m.end(l)
		}
	})
}

// end removes a presence, and the term that hangs on it. The caller holds mu.
func (m *memory) end(l *session) {
	l.timer.Stop()
	delete(m.lives, l.key)
	m.write(func(d *store.Draft) {
		site := d.Site(l.key.site)
		site.DeletePresence(l.key.broker)
		if m.coordinators[l.key.site] == l {
			delete(m.coordinators, l.key.site)
			site.SetCoordinator(farm.Coordinator{})
		}
	})
}

func (l *session) alive() bool { return l.m.lives[l.key] == l }

func (l *session) Incarnation() farm.Incarnation { return l.incarnation }

func (l *session) TTL() time.Duration { return l.ttl }

// Lost knows no more than the server has seen.
func (l *session) Lost() bool {
	v := l.s.Latest()
	p := v.Picture(l.key.site)
	return v.Revision >= farm.Revision(l.incarnation) && (p == nil || !p.Alive(l.life()))
}

// act runs f with the memory locked, if the session is alive then.
func (l *session) act(ctx context.Context, what string, f func() error) error {
	err := l.s.reach(ctx)
	if err != nil && !errors.Is(err, store.ErrOtherFarm) {
		return fmt.Errorf("%s: %w", what, err)
	}
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if err != nil || !l.alive() {
		return fmt.Errorf("%s: broker %q: %w", what, l.key.broker, store.ErrLost)
	}
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (l *session) Renew(ctx context.Context) error {
	return l.act(ctx, "renew presence", func() error {
		l.timer.Stop()
		l.arm()
		return nil
	})
}

func (l *session) Announce(ctx context.Context, p farm.Presence) error {
	return l.act(ctx, "announce", func() error {
		p.Broker, p.Incarnation = l.key.broker, l.incarnation
		l.m.write(func(d *store.Draft) { d.Site(l.key.site).PutPresence(ownPresence(p)) })
		return nil
	})
}

func (l *session) Close(ctx context.Context) error {
	if err := l.s.reach(ctx); err != nil {
		return fmt.Errorf("close session: %w", err)
	}
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if l.alive() {
		l.m.end(l)
	}
	return nil
}

func (l *session) Campaign(ctx context.Context) (store.Term, error) {
	for {
		var (
			t    *term
			seen farm.Revision
		)
		err := l.act(ctx, "campaign", func() error {
			m := l.m
			seen = m.view.Revision
			switch m.coordinators[l.key.site] {
			case nil:
				m.coordinators[l.key.site] = l
				t = &term{l: l, at: m.write(func(d *store.Draft) {
					d.Site(l.key.site).SetCoordinator(farm.Coordinator{Broker: l.key.broker, Term: d.Revision()})
				})}
			case l:
				t = &term{l: l, at: m.view.Picture(l.key.site).Coordinator.Term}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if t != nil {
			return t, nil
		}
		if _, err := l.s.Wait(ctx, seen); err != nil {
			return nil, fmt.Errorf("campaign: %w", err)
		}
	}
}
