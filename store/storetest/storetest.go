// Package storetest holds every implementation of the store contract to it.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// Backend is one empty memory, and what a test can do to it from outside.
type Backend struct {
	// Open starts another server on the memory; it stops with the test.
	Open func(t *testing.T) store.Store
	// OpenWithKey starts one with a secret key of its own by that name; Open's
	// all have the same key.
	OpenWithKey func(t *testing.T, key string) store.Store
	// Expire ends a broker's presence as a lease that has run out does.
	Expire func(t *testing.T, site farm.SiteID, broker farm.BrokerID)
	// Compact forgets everything before now. Servers opened earlier may
	// remember it.
	Compact func(t *testing.T)
	// Left lists what the memory still holds of a Site, in any words.
	Left func(t *testing.T, site farm.SiteID) []string
	// Raw returns everything in the memory as it lies there; nil: not applicable.
	Raw func(t *testing.T) []byte
	// CutOff takes the storage away from all servers until back is called.
	CutOff func(t *testing.T) (back func())
	// Replace puts an empty storage in the place of this one until back is called.
	Replace func(t *testing.T) (back func())
}

// Run tests a store. fresh makes an empty memory for each test.
func Run(t *testing.T, fresh func(t *testing.T) Backend) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"views", viewTests},
		{"edits", editTests},
		{"presence", presenceTests},
		{"coordinator", termTests},
		{"owners", ownerTests},
		{"epochs", epochTests},
		{"events", eventTests},
		{"outage", outageTests},
		{"identity", identityTests},
		{"secret key", secretKeyTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.tests {
				t.Run(c.name, func(t *testing.T) {
					c.run(&bench{T: t, Backend: fresh(t)})
				})
			}
		})
	}
}

type test struct {
	name string
	run  func(*bench)
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// shortest is the presence that tests ask for.
const shortest = time.Second

const hq farm.SiteID = "hq"

// bench is what one test works with.
type bench struct {
	*testing.T
	Backend
}

func (b *bench) open() store.Store {
	b.Helper()
	return b.Open(b.T)
}

func (b *bench) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	b.Cleanup(cancel)
	return ctx
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// edit stores a change whatever is there.
func (b *bench) edit(st store.Store, site farm.SiteID, c store.Change) *farm.Picture {
	b.Helper()
	p, err := st.Edit(b.ctx(), site, func(*farm.Picture) (store.Change, error) { return c, nil })
	b.must(err)
	return p
}

// site stores a Site with brokers.
func (b *bench) site(st store.Store, id farm.SiteID, brokers ...farm.BrokerID) *farm.Picture {
	b.Helper()
	s := farm.NewSite(id)
	c := store.Change{PutSite: &s}
	for i, id := range brokers {
		c.PutBrokers = append(c.PutBrokers, farm.Broker{ID: id, Mode: farm.ModeActive, Priority: i, Enabled: true})
	}
	return b.edit(st, id, c)
}

func (b *bench) provider(st store.Store, id farm.ProviderID) *farm.Picture {
	b.Helper()
	return b.edit(st, hq, store.Change{PutProvider: &farm.Provider{ID: id, Type: "sim", Enabled: true}})
}

// current returns the Site as it is now.
func (b *bench) current(st store.Store, site farm.SiteID) *farm.Picture {
	b.Helper()
	v, err := st.Current(b.ctx())
	b.must(err)
	return v.Sites[site]
}

// until waits for a View in which the Site is as wanted.
func (b *bench) until(st store.Store, site farm.SiteID, what string, ok func(*farm.Picture) bool) *farm.Picture {
	b.Helper()
	ctx := b.ctx()
	v := st.Latest()
	for {
		p := v.Sites[site]
		if p == nil {
			p = &farm.Picture{}
		}
		if ok(p) {
			return p
		}
		var err error
		if v, err = st.Wait(ctx, v.Revision); err != nil {
			b.Fatalf("waiting for %s: %v", what, err)
		}
	}
}

// register makes a broker present and keeps it so until the test ends or the
// session is lost.
func (b *bench) register(st store.Store, site farm.SiteID, broker farm.BrokerID) store.Session {
	b.Helper()
	s, err := st.Register(b.ctx(), site, farm.Presence{Broker: broker, Address: "http://" + string(broker)}, shortest)
	b.must(err)
	b.keep(s)
	return s
}

func (b *bench) keep(s store.Session) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(s.TTL() / 5)
		defer tick.Stop()
		for s.Renew(ctx) == nil {
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	b.Cleanup(func() { cancel(); <-done })
}

// elect makes the session the coordinator.
func (b *bench) elect(s store.Session) store.Term {
	b.Helper()
	t, err := s.Campaign(b.ctx())
	b.must(err)
	return t
}

// life names a session's life.
func life(broker farm.BrokerID, s store.Session) farm.Life {
	return farm.Life{Broker: broker, Incarnation: s.Incarnation()}
}

// give is the decision that makes a life the owner of what was is the record of.
func give(id farm.ProviderID, was farm.Stored[farm.Ownership], to farm.Life) farm.Decision {
	next := was.Value
	next.Broker, next.Incarnation = to.Broker, to.Incarnation
	next.Epoch++
	next.Reason = farm.ReasonInitial
	next.Target, next.TargetIncarnation = "", 0
	return farm.Decision{
		Provider: id, Was: was, Next: next,
		Event: farm.OwnerChanged(id, was.Value, next, time.Now()),
	}
}

// apply stores decisions that must be stored.
func (b *bench) apply(st store.Store, t store.Term, ds ...farm.Decision) *farm.Picture {
	b.Helper()
	b.must(t.Apply(b.ctx(), b.current(st, hq).Seats, nil, nil, ds))
	return b.current(st, hq)
}
