package mem

import (
	"context"
	"fmt"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

var _ store.Term = (*term)(nil)

// term is one coordinator's time in office.
type term struct {
	l  *session
	at farm.Revision
}

func (t *term) act(ctx context.Context, what string, f func() error) error {
	if err := t.l.s.reach(ctx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	m := t.l.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := t.l.picture(); p.Coordinator != (farm.Coordinator{Broker: t.l.key.broker, Term: t.at}) {
		return fmt.Errorf("%s: broker %q: %w", what, t.l.key.broker, store.ErrDeposed)
	}
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (t *term) Resign(ctx context.Context) error {
	return t.act(ctx, "resign", func() error {
		m, site := t.l.m, t.l.key.site
		delete(m.coordinators, site)
		m.write(func(d *store.Draft) { d.Site(site).SetCoordinator(farm.Coordinator{}) })
		return nil
	})
}

// Apply stores all or nothing.
func (t *term) Apply(ctx context.Context, was farm.Stored[farm.Seats], seats *farm.Seats, events []farm.Event, decisions []farm.Decision) error {
	return t.act(ctx, "apply decisions", func() error {
		p := t.l.picture()
		if p.Seats.Revision != was.Revision {
			return fmt.Errorf("seats: %w", store.ErrConflict)
		}
		for _, d := range decisions {
			if err := holds(p, d); err != nil {
				return fmt.Errorf("Provider %q: %w", d.Provider, err)
			}
		}
		if seats == nil && len(events)+len(decisions) == 0 {
			return nil
		}
		t.l.m.write(func(d *store.Draft) {
			s := d.Site(t.l.key.site)
			if seats != nil {
				s.PutSeats(ownSeats(*seats), d.Revision())
			}
			for _, c := range decisions {
				s.PutOwner(c.Provider, ownOwnership(c.Next), d.Revision())
				if c.Event != nil {
					events = append(events[:len(events):len(events)], *c.Event)
				}
			}
			s.AddEvents(stamped(d, events)...)
		})
		return nil
	})
}

// holds reports whether what a decision relies on is so.
func holds(p *farm.Picture, d farm.Decision) error {
	if p.Owners[d.Provider].Revision != d.Was.Revision {
		return store.ErrConflict
	}
	gone, present := d.Guards()
	for _, l := range gone {
		if p.Alive(l) {
			return fmt.Errorf("broker %q is still there: %w", l.Broker, store.ErrConflict)
		}
	}
	for _, l := range present {
		if !p.Alive(l) {
			return fmt.Errorf("broker %q is not there: %w", l.Broker, store.ErrConflict)
		}
	}
	return nil
}

func (t *term) Trim(ctx context.Context, keep int) error {
	return t.act(ctx, "trim events", func() error {
		events := t.l.picture().Events
		over := len(events) - max(keep, 0)
		if over <= 0 {
			return nil
		}
		old := make(map[string]bool, over)
		for _, e := range events[:over] {
			old[e.ID] = true
		}
		t.l.m.write(func(d *store.Draft) {
			d.Site(t.l.key.site).DeleteEvents(func(e farm.Event) bool { return old[e.ID] })
		})
		return nil
	})
}
