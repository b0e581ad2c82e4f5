package broker

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

const (
	// reconcileEvery bounds how long anything missed stays unnoticed.
	reconcileEvery = 3 * time.Second
	// expiryCheck is how much later than at its end storage may end a lease.
	expiryCheck = time.Second
	// eventsKept is how much history a Site keeps when it is trimmed, which is
	// when a View can hold no more.
	eventsKept = store.EventsInView * 9 / 10
)

// stand stands for coordinator, and coordinates while elected.
func (l *life) stand(ctx context.Context) error {
	for {
		if err := l.awaitStanding(ctx); err != nil {
			return err
		}
		term, err := l.session.Campaign(ctx)
		switch {
		case err == nil:
			l.Log.Info("elected as coordinator")
			l.metrics.coordinator.Set(1)
			err = l.coordinate(ctx, term)
			l.metrics.coordinator.Set(0)
			l.Log.Info("no longer coordinator", "err", err)
		case ctx.Err() == nil && !errors.Is(err, store.ErrLost):
			l.Log.Warn("standing for coordinator failed", "err", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, store.ErrLost) {
			return err
		}
		if err := pause(ctx, jitter(50*time.Millisecond)); err != nil {
			return err
		}
	}
}

// awaitStanding blocks until the broker may stand.
func (l *life) awaitStanding(ctx context.Context) error {
	for view := l.Store.Latest(); ; {
		if p := view.Sites[l.Site]; p == nil || p.MayStand(l.Broker) {
			return nil
		}
		var err error
		if view, err = l.Store.Wait(ctx, view.Revision); err != nil {
			return err
		}
	}
}

// coordinate plans and stores plans, until the term ends or ctx does.
func (l *life) coordinate(ctx context.Context, term store.Term) error {
	seen, contact := sightings{}, settling{lease: l.session.TTL() + expiryCheck}
	view := l.Store.Latest()
	for {
		wake := reconcileEvery
		if p := view.Sites[l.Site].Decidable(); p != nil {
			if p.Coordinator.Broker != l.Broker {
				return store.ErrDeposed // the key was taken away: it is for a candidate
			}
			if !p.MayStand(l.Broker) {
				return l.resign(ctx, term)
			}
			back := seen.look(p, time.Now())
			began := time.Now()
			cuts, settles := contact.look(p, began)
			out := p.Restored(farm.Plan(farm.Situation{Picture: p, Now: began, Back: back, Cuts: cuts, Decider: l.Broker}))
			l.metrics.planning.Observe(time.Since(began).Seconds())
			if out.Wake > 0 {
				wake = min(wake, out.Wake)
			}
			if settles > 0 {
				wake = min(wake, settles)
			}
			promised, err := l.decide(ctx, term, p, out)
			if promised > 0 {
				wake = min(wake, promised)
			}
			switch {
			case err == nil:
			case errors.Is(err, store.ErrDeposed), errors.Is(err, store.ErrLost), ctx.Err() != nil:
				return err
			case errors.Is(err, store.ErrConflict):
				wake = min(wake, 100*time.Millisecond) // the picture that it conflicts with is on its way
			default:
				l.Log.Error("plan not stored", "err", err)
				wake = min(wake, 200*time.Millisecond)
			}
		}
		next, err := l.await(ctx, view.Revision, wake)
		if err != nil {
			return err
		}
		view = next
	}
}

// resign makes way for one who may decide.
func (l *life) resign(ctx context.Context, term store.Term) error {
	ctx, cancel := context.WithTimeout(ctx, reconcileEvery)
	defer cancel()
	return term.Resign(ctx)
}

// decide stores a plan, if nothing is promised, and returns for how long something
// is. Where there is nothing to decide, there is only history to trim.
func (l *life) decide(ctx context.Context, term store.Term, p *farm.Picture, out farm.Outcome) (promised time.Duration, err error) {
	apply := func() error { return l.apply(ctx, term, p, out) }
	if out.Seats == nil && len(out.Decisions) == 0 {
		return 0, apply()
	}
	return l.Line.decide(p, apply)
}

func (l *life) apply(ctx context.Context, term store.Term, p *farm.Picture, out farm.Outcome) error {
	ctx, cancel := context.WithTimeout(ctx, reconcileEvery)
	defer cancel()
	if out.Seats != nil || len(out.Decisions) > 0 {
		if err := term.Apply(ctx, p.Seats, out.Seats, out.Events, out.Decisions); err != nil {
			return err
		}
		for _, d := range out.Decisions {
			l.Log.Info("decided", "provider", d.Provider, "from", d.Was.Value.Broker, "to", d.Next.Broker,
				"target", d.Next.Target, "epoch", d.Next.Epoch, "reason", why(d.Next))
		}
		if out.Seats != nil {
			l.Log.Info("verdict", "state", out.Seats.State, "reason", out.Seats.Reason, "seats", occupants(out.Seats.Seats))
		}
	}
	if len(p.Events) >= store.EventsInView {
		return term.Trim(ctx, eventsKept)
	}
	return nil
}

// why is the reason of what was decided: of the move that is asked for, if one is.
func why(o farm.Ownership) farm.Reason {
	if o.Target != "" {
		return o.TargetReason
	}
	return o.Reason
}

// occupants are the seats' brokers; one that sits on another's seat is told with it.
func occupants(seats []farm.Seat) string {
	var words []string
	for _, s := range seats {
		switch s.Occupant {
		case s.Broker:
			words = append(words, string(s.Broker))
		case "":
			words = append(words, string(s.Broker)+"=nobody")
		default:
			words = append(words, string(s.Broker)+"="+string(s.Occupant))
		}
	}
	return strings.Join(words, " ")
}

// await waits for a newer View, at most for d: then it returns the one there is.
func (l *life) await(ctx context.Context, after farm.Revision, d time.Duration) (*store.View, error) {
	waiting, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	view, err := l.Store.Wait(waiting, after)
	if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrFormat) {
		return l.Store.Latest(), nil
	}
	return view, err
}

// sightings remembers since when this coordinator has seen each incarnation, by
// its own clock.
type sightings map[farm.Life]time.Time

func (s sightings) look(p *farm.Picture, now time.Time) map[farm.BrokerID]time.Duration {
	back := map[farm.BrokerID]time.Duration{}
	for l := range s {
		if !p.Alive(l) {
			delete(s, l)
		}
	}
	for id, here := range p.Presence {
		l := farm.Life{Broker: id, Incarnation: here.Incarnation}
		if _, ok := s[l]; !ok {
			s[l] = now
		}
		back[id] = now.Sub(s[l])
	}
	return back
}
