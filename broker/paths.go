package broker

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
)

// paths is what a life knows of its ways to Providers.
type paths struct {
	mu      sync.Mutex
	known   map[farm.ProviderID]*path
	changed chan struct{} // what is to be said of them has changed
}

// path is the way to one Provider.
type path struct {
	acquaintance
	tested bool      // it has been looked at, and not only been hoped for
	trying time.Time // the agent has been trying to connect since; zero: it is not
	last   time.Time // when it was looked at last
	early  float64   // how much sooner than it should it is looked at again: 0.5 to 1
}

func newPaths() *paths {
	return &paths{known: map[farm.ProviderID]*path{}, changed: make(chan struct{}, 1)}
}

// at returns what is known of one; the caller holds the lock.
func (p *paths) at(id farm.ProviderID) *path {
	k := p.known[id]
	if k == nil {
		k = &path{acquaintance: acquaintance{damping: pathDamping, answers: true}, early: 1}
		p.known[id] = k
	}
	return k
}

func (p *paths) tell() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// connecting notes that this life's agent tries to connect.
func (p *paths) connecting(id farm.ProviderID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k := p.at(id); k.trying.IsZero() {
		k.trying = time.Now()
	}
}

// connected notes that the agent's trying is over: it is connected, it has ended,
// or it has failed for a reason that another broker would meet too.
func (p *paths) connected(id farm.ProviderID, is bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.at(id)
	k.trying = time.Time{}
	if is && !k.answers {
		k.acquaintance = acquaintance{damping: pathDamping, answers: true}
		p.tell()
	}
	k.tested = k.tested || is
}

// of is what there is to say: which Providers are not reached; and which are, if
// somebody has trouble with them.
func (p *paths) of(view *farm.Picture) map[farm.ProviderID]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	said := map[farm.ProviderID]bool{}
	for id, k := range p.known {
		_, exists := view.Providers[id]
		switch {
		case !exists:
			delete(p.known, id)
		case !k.answers:
			said[id] = false
		case k.tested && view.Trouble(id):
			said[id] = true
		}
	}
	return said
}

// pathTick is how often it is looked which ways are to be tested.
const pathTick = time.Second

// keepPaths tests the ways to the Providers that others own now and then, more
// often those that somebody has trouble with, and gives those up that its own
// agents have not connected over for long.
func (l *life) keepPaths(ctx context.Context) error {
	var testing sync.WaitGroup
	defer testing.Wait()
	slots := make(chan struct{}, pathsAtOnce)
	for {
		if p := l.Store.Latest().Sites[l.Site]; p != nil {
			for id, config := range p.Providers {
				if l.paths.due(p, id, p.Owners[id].Value.Owner() == l.me) {
					testing.Go(func() { l.test(ctx, slots, id, config.Value) })
				}
			}
		}
		l.paths.tell() // what is worth saying depends on what others say
		if err := pause(ctx, pathTick); err != nil {
			return err
		}
	}
}

// pathsAtOnce is how many ways are tested at a time.
const pathsAtOnce = 16

// due reports whether a way is to be tested now.
func (p *paths) due(view *farm.Picture, id farm.ProviderID, mine bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, k := time.Now(), p.at(id)
	if mine {
		if k.answers && !k.trying.IsZero() && now.Sub(k.trying) >= farm.PathFails {
			k.lose(now)
			p.tell()
		}
		return false
	}
	every, trouble := farm.PathEvery, view.Trouble(id)
	if trouble {
		every = farm.PathDoubtEvery
	}
	if k.last.IsZero() && !trouble {
		k.last = now.Add(-rand.N(every)) // everybody begins at another moment
	}
	if now.Sub(k.last) < time.Duration(k.early*float64(every)) {
		return false
	}
	k.last, k.early = now, 0.5+rand.Float64()/2
	return true
}

// test looks whether a Provider can be reached, if its kind can be asked.
func (l *life) test(ctx context.Context, slots chan struct{}, id farm.ProviderID, c farm.Provider) {
	i := slices.IndexFunc(l.Drivers, func(d provider.Driver) bool { return d.Type().ID == c.Type })
	if i < 0 || !c.Enabled {
		return
	}
	reacher, can := l.Drivers[i].(provider.Reacher)
	if !can {
		return
	}
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return
	}
	ctx, cancel := context.WithTimeout(ctx, farm.PathTimeout)
	defer cancel()
	err := reacher.Reach(ctx, provider.Target{Address: c.Address, Options: c.Options})
	switch {
	case errors.Is(context.Cause(ctx), context.Canceled):
	case err == nil, errors.Is(err, provider.ErrConnectionFailed), errors.Is(err, provider.ErrTimeout):
		l.paths.learn(id, err == nil)
	default:
		l.Log.Debug("the way to a Provider cannot be tested", "provider", id, "err", err)
	}
}

// learn takes the result of a test.
func (p *paths) learn(id farm.ProviderID, reached bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k, now := p.at(id), time.Now()
	first := !k.tested
	k.tested = true
	if changed := k.learn(reached, now); changed || first {
		p.tell()
	}
}
