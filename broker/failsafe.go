package broker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// word is what a broker has promised others that own Providers without storage,
// and what keeps it from promising. DESIGN.md says why this is safe.
type word struct {
	began    time.Time     // of the process: it does not know what the one before has promised; zero: nothing
	given    time.Time     // nothing is decided before
	seen     farm.Revision // of the View in which it was given
	deciding bool
	doubt    time.Time // what was decided may still come to be stored until then
	decided  int       // counts what was decided
	shown    int       // so much of it is in the View, for sure
}

// doubtLasts is for how long a write whose fate is not known may still be stored.
// Storage refuses it anyway once anything that it compares has changed.
const doubtLasts = 30 * time.Second

// promise gives its word to decide nothing for a while, if it can: without
// storage, and knowing of no other verdict.
func (l *Line) promise(here *life, verdict uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	view := here.Store.Latest()
	p := view.Sites[here.Site]
	now := time.Now()
	if p == nil || here.acked.Load() || l.deciding || l.shown != l.decided || !p.MayServeWithoutStorage() || p.Seats.Value.Epoch != verdict {
		return false
	}
	l.given, l.seen = now.Add(farm.PromiseLasts), view.Revision
	return true
}

// decide runs what decides, unless that is promised not to be: then it returns
// how long that lasts.
func (l *Line) decide(p *farm.Picture, do func() error) (wait time.Duration, err error) {
	if l == nil {
		return 0, do()
	}
	if wait = l.bound(p); wait > 0 {
		return wait, nil
	}
	err = do()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deciding = false
	l.decided++
	if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrDeposed) {
		l.doubt = time.Now().Add(doubtLasts)
	}
	return 0, err
}

// show asks storage for a View that holds all that was decided, if there is doubt
// that the one there is does: who has stored another verdict, and has lost storage
// before seeing it, must not promise on the one before.
func (l *Line) show(ctx context.Context, st store.Store) {
	if l == nil {
		return
	}
	l.mu.Lock()
	decided := l.decided
	open := decided != l.shown && !l.deciding && !time.Now().Before(l.doubt)
	l.mu.Unlock()
	if !open {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, farm.ContactTimeout)
	defer cancel()
	if _, err := st.Current(ctx); err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shown = decided
}

// bound returns how long what is promised lasts; if it does not, nothing is
// promised from now on until what is decided is known.
func (l *Line) bound(p *farm.Picture) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	until := l.given
	if !p.Seats.Value.Armed {
		l.began = time.Time{} // nobody has promised anything before it was armed
	}
	if first := l.began.Add(farm.PromiseLasts); p.Site.Value.Failsafe && p.Seats.Value.Armed && first.After(until) {
		until = first
	}
	wait := time.Until(until)
	l.deciding = wait <= 0
	return wait
}

// gained returns how long a Provider whose ownership is of that revision must
// wait: one that was gained after a promise was given may still be served by
// whom it was given to.
func (l *Line) gained(at farm.Revision) time.Duration {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if at <= l.seen {
		return 0
	}
	return time.Until(l.given)
}

// keepWithoutStorage lets the broker go on while storage does not answer: for as
// long as everybody who may decide, which every seat's occupant may, promises
// again and again to leave it what it owns.
func (l *life) keepWithoutStorage(ctx context.Context) error {
	told := false
	defer l.metrics.without.Set(0)
	for l.Line != nil {
		asked := time.Now()
		stored := l.acked.Load()
		if stored {
			l.Line.show(ctx, l.Store)
		}
		kept := !stored && l.allPromise(ctx)
		if kept {
			l.permit.extend(asked.Add(farm.PromiseLasts - farm.MinMargin(farm.PromiseLasts)))
		}
		if kept != told {
			told = kept
			l.metrics.without.Set(map[bool]float64{true: 1}[kept])
			l.tellWithout(kept)
		}
		if err := pause(ctx, max(farm.ContactEvery-time.Since(asked), 0)); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

func (l *life) tellWithout(kept bool) {
	if kept {
		l.Log.Warn("storage does not answer; all brokers say so, and leave each other what they own")
		return
	}
	l.Log.Warn("serving without storage has ended", "storageAnswers", l.acked.Load())
}

// allPromise asks everybody who may decide, itself too.
func (l *life) allPromise(ctx context.Context) bool {
	p := l.Store.Latest().Sites[l.Site]
	if p == nil || !p.MayServeWithoutStorage() || !p.Alive(l.me) || l.session.Lost() {
		return false
	}
	v := p.Seats.Value
	var asking sync.WaitGroup
	var refused atomic.Bool
	for _, id := range v.Deciders() {
		if id == l.Broker {
			if !l.Line.promise(l, v.Epoch) { // it must not decide either
				return false
			}
			continue
		}
		asking.Go(func() {
			if a, err := l.ask(ctx, p.Presence[id], v.Epoch); err != nil || !a.Promises {
				refused.Store(true)
			}
		})
	}
	asking.Wait()
	return slices.Contains(v.Serving, l.Broker) && !refused.Load()
}
