package broker

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/quorate/quorate/farm"
)

// contacts is what a life knows of who answers it.
type contacts struct {
	mu        sync.Mutex
	unreached map[farm.BrokerID]farm.Incarnation
	changed   chan struct{} // what is to be said of it has changed
}

func newContacts(unreached map[farm.BrokerID]farm.Incarnation) *contacts {
	return &contacts{unreached: maps.Clone(unreached), changed: make(chan struct{}, 1)}
}

// note says whether a life answers; reached says what was known before.
func (c *contacts) note(l farm.Life, answers bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch known, is := c.unreached[l.Broker]; {
	case answers && is && known == l.Incarnation:
		delete(c.unreached, l.Broker)
	case !answers && (!is || known != l.Incarnation):
		if c.unreached == nil {
			c.unreached = map[farm.BrokerID]farm.Incarnation{}
		}
		c.unreached[l.Broker] = l.Incarnation
	default:
		return
	}
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// of returns who does not answer, of those that are present.
func (c *contacts) of(p *farm.Picture) map[farm.BrokerID]farm.Incarnation {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.unreached, func(id farm.BrokerID, life farm.Incarnation) bool {
		return !p.Alive(farm.Life{Broker: id, Incarnation: life})
	})
	return maps.Clone(c.unreached)
}

// survey asks all brokers of the Site that are present, before this one is: so
// one that starts on the wrong side of a cut does not seem to be in contact until
// it has found out.
func (c Config) survey(ctx context.Context) map[farm.BrokerID]farm.Incarnation {
	p := c.Store.Latest().Sites[c.Site]
	if c.Line == nil || p == nil {
		return nil
	}
	found := newContacts(nil)
	var asking sync.WaitGroup
	for id, other := range p.Presence {
		if id == c.Broker || len(other.ContactKey) == 0 {
			continue
		}
		asking.Go(func() {
			for range farm.ContactMisses {
				if _, err := c.ask(ctx, other, 0); err == nil || pause(ctx, farm.ContactEvery) != nil {
					return
				}
			}
			found.note(farm.Life{Broker: id, Incarnation: other.Incarnation}, false)
		})
	}
	asking.Wait()
	if n := len(found.unreached); n > 0 {
		c.Log.Warn("other brokers do not answer at the addresses that they have registered; this one is not in contact with them",
			"brokers", slices.Sorted(maps.Keys(found.unreached)), "address", c.Address)
	}
	return found.unreached
}

// keepContact asks every other broker that is present, again and again, and puts
// on record who does not answer, and who does again.
func (l *life) keepContact(ctx context.Context) error {
	if l.Line == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	l.Line.attach(l)
	defer l.Line.attach(nil)
	var watchers sync.WaitGroup
	defer watchers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watched := map[farm.Life]context.CancelFunc{}
	for view := l.Store.Latest(); ; {
		if p := view.Sites[l.Site]; p != nil {
			for other, stop := range watched {
				if !p.Alive(other) {
					stop()
					delete(watched, other)
				}
			}
			for id, here := range p.Presence {
				other := farm.Life{Broker: id, Incarnation: here.Incarnation}
				if id == l.Broker || watched[other] != nil || len(here.ContactKey) == 0 {
					continue
				}
				watching, stop := context.WithCancel(ctx)
				watched[other] = stop
				watchers.Go(func() { l.watch(watching, other) })
			}
		}
		next, err := l.Store.Wait(ctx, view.Revision)
		if err != nil {
			return err
		}
		view = next
	}
}

// watch asks one life until ctx ends.
func (l *life) watch(ctx context.Context, other farm.Life) {
	known := acquaintance{damping: contactDamping, answers: l.contacts.answers(other)}
	for ctx.Err() == nil {
		p := l.Store.Latest().Sites[l.Site]
		if p == nil || !p.Alive(other) {
			return
		}
		asked := time.Now()
		_, err := l.ask(ctx, p.Presence[other.Broker], 0)
		if ctx.Err() != nil {
			return
		}
		if known.learn(err == nil, time.Now()) {
			l.Log.Info("contact", "with", other.Broker, "answers", known.answers, "err", err)
			l.contacts.note(other, known.answers)
		}
		if pause(ctx, max(farm.ContactEvery-time.Since(asked), 0)) != nil {
			return
		}
	}
}

func (c *contacts) answers(l farm.Life) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, is := c.unreached[l.Broker]
	return !is || known != l.Incarnation
}

// settling lets the cuts of a picture count once they have stayed the same for
// long enough. Nobody has told this coordinator before, so the first ones count.
//
// A cut that only one side tells of counts when the other side's presence would
// have ended if that were dead. Until then two dead brokers, which nobody says to
// be cut off from each other, would pass for a group.
type settling struct {
	lease            time.Duration
	told             map[[2]farm.BrokerID]time.Time // since when one side tells of a cut
	latest, counting farm.Cuts
	since            time.Time
}

// look returns the cuts that count, and how long until newer ones will; 0: there
// are none.
func (s *settling) look(p *farm.Picture, now time.Time) (farm.Cuts, time.Duration) {
	cuts, wait := s.believed(p, now)
	if s.counting == nil {
		s.counting, s.latest = cuts, cuts
	}
	if !maps.Equal(cuts, s.latest) {
		s.latest, s.since = cuts, now
	}
	if maps.Equal(s.latest, s.counting) {
		return s.counting, wait
	}
	if left := farm.ContactSettles - now.Sub(s.since); left > 0 {
		return s.counting, left
	}
	s.counting = s.latest
	return s.counting, wait
}

// believed are the cuts but those that one side alone tells of and has not told of
// for long; and how long until the next of these is believed, 0: there is none.
func (s *settling) believed(p *farm.Picture, now time.Time) (cuts farm.Cuts, wait time.Duration) {
	cuts = p.Cuts()
	told := map[[2]farm.BrokerID]time.Time{}
	for cut := range cuts {
		if p.Mutual(cut) {
			continue
		}
		since, known := s.told[cut]
		if !known {
			since = now
		}
		told[cut] = since
		if left := s.lease - now.Sub(since); left > 0 {
			delete(cuts, cut)
			if wait == 0 || left < wait {
				wait = left
			}
		}
	}
	s.told = told
	return cuts, wait
}
