package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

var editTests = []test{
	{"of many edits at once none is lost", lostUpdates},
	{"a rule over all brokers holds for brokers added at once", addedAtOnce},
	{"an edit decides again when what it was decided from changes", decidesAgain},
	{"an edit that changes nothing is not stored", changesNothing},
	{"the error of a decision comes back as it is and nothing is stored", refused},
	{"a change that no decision can mean is an error", meaningless},
	{"a secret is kept apart, changes, and goes with its Provider", secrets},
	{"a deleted Provider leaves nothing but its ownership record", deletedProvider},
	{"a deleted Site leaves nothing", deletedSite},
	{"a Site of as many brokers as the rules allow takes every change", fullSite},
}

func increment(b *bench, st store.Store) {
	_, err := st.Edit(b.ctx(), hq, func(p *farm.Picture) (store.Change, error) {
		s := p.Site.Value
		s.MaxParallelMoves++
		return store.Change{PutSite: &s}, nil
	})
	if err != nil {
		b.Error(err)
	}
}

func lostUpdates(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for range 3 {
				increment(b, []store.Store{one, two}[i%2])
			}
		})
	}
	wg.Wait()
	if got, want := b.current(one, hq).Site.Value.MaxParallelMoves, farm.DefaultMaxParallelMoves+96; got != want {
		b.Errorf("counted to %d, want %d", got, want)
	}
}

func addedAtOnce(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			_, err := []store.Store{one, two}[i%2].Edit(b.ctx(), hq, func(p *farm.Picture) (store.Change, error) {
				return store.Change{PutBrokers: []farm.Broker{{ID: farm.BrokerID(fmt.Sprint("cb-", i)), Priority: len(p.Brokers)}}}, nil
			})
			if err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	seen := map[int]farm.BrokerID{}
	for id, br := range b.current(two, hq).Brokers {
		if other, taken := seen[br.Value.Priority]; taken {
			b.Errorf("%s and %s both have priority %d", id, other, br.Value.Priority)
		}
		seen[br.Value.Priority] = id
	}
	if len(seen) != 16 {
		b.Errorf("%d brokers", len(seen))
	}
}

// decidesAgain changes something behind the back of an edit that has decided
// already, and wants it to decide again with the change in sight.
func decidesAgain(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq, "cb-1", "cb-2")
	b.provider(one, "vc-1")
	present := b.register(two, hq, "cb-1")
	leaving := b.register(two, hq, "cb-2")
	term := b.elect(present)

	aBroker := store.Change{PutBrokers: []farm.Broker{{ID: "cb-new", Name: "new"}}}
	aProvider := store.Change{PutProvider: &farm.Provider{ID: "vc-new", Name: "new"}}
	for _, c := range []struct {
		name   string
		change store.Change
		behind func()
		seen   func(*farm.Picture) bool
	}{
		{
			"its own Provider appears", aProvider,
			func() { b.provider(two, "vc-new") },
			func(p *farm.Picture) bool { return p.Providers["vc-new"].Revision != 0 },
		}, {
			"its own Provider changes", aProvider,
			func() {
				b.edit(two, hq, store.Change{PutProvider: &farm.Provider{ID: "vc-new", Name: "meanwhile"}})
			},
			func(p *farm.Picture) bool { return p.Providers["vc-new"].Value.Name == "meanwhile" },
		}, {
			"the Site changes", aProvider,
			func() { increment(b, two) },
			func(p *farm.Picture) bool { return p.Site.Value.MaxParallelMoves > farm.DefaultMaxParallelMoves },
		}, {
			"a broker changes", aProvider,
			func() { b.edit(two, hq, store.Change{PutBrokers: []farm.Broker{{ID: "cb-2", Draining: true}}}) },
			func(p *farm.Picture) bool { return p.Brokers["cb-2"].Value.Draining },
		}, {
			"a broker is added", aProvider,
			func() { b.edit(two, hq, store.Change{PutBrokers: []farm.Broker{{ID: "cb-3"}}}) },
			func(p *farm.Picture) bool { return p.Brokers["cb-3"].Revision != 0 },
		}, {
			"a broker is deleted", aProvider,
			func() { b.edit(two, hq, store.Change{DeleteBroker: "cb-3"}) },
			func(p *farm.Picture) bool { return p.Brokers["cb-3"].Revision == 0 },
		}, {
			"a presence appears", aProvider,
			func() { b.register(two, hq, "cb-4") },
			func(p *farm.Picture) bool { return p.Presence["cb-4"].Incarnation != 0 },
		}, {
			"a presence says something else", aProvider,
			func() { b.must(leaving.Announce(b.ctx(), farm.Presence{Leaving: true})) },
			func(p *farm.Picture) bool { return p.Presence["cb-2"].Leaving },
		}, {
			"a presence goes", aProvider,
			func() { b.must(leaving.Close(b.ctx())) },
			func(p *farm.Picture) bool { return p.Presence["cb-2"].Incarnation == 0 },
		}, {
			"there is a verdict", aProvider,
			func() { b.must(term.Apply(b.ctx(), farm.Stored[farm.Seats]{}, &farm.Seats{Armed: true}, nil, nil)) },
			func(p *farm.Picture) bool { return p.Seats.Value.Armed },
		}, {
			"a Provider appears while a broker is stored", aBroker,
			func() { b.provider(two, "vc-2") },
			func(p *farm.Picture) bool { return p.Providers["vc-2"].Revision != 0 },
		}, {
			"a Provider changes while a broker is deleted", store.Change{DeleteBroker: "cb-1"},
			func() {
				b.edit(two, hq, store.Change{PutProvider: &farm.Provider{ID: "vc-1", Preferred: farm.Manual("cb-1")}})
			},
			func(p *farm.Picture) bool { return p.Providers["vc-1"].Value.Preferred.Broker == "cb-1" },
		}, {
			"a Provider appears while the Site is deleted", store.Change{DeleteSite: true},
			func() { b.provider(two, "vc-3") },
			func(p *farm.Picture) bool { return p.Providers["vc-3"].Revision != 0 },
		},
	} {
		times, seen := 0, false
		n := 0
		_, err := one.Edit(b.ctx(), hq, func(p *farm.Picture) (store.Change, error) {
			if times++; times == 1 {
				c.behind()
				if c.seen(p) {
					b.Errorf("%s: seen before it happened", c.name)
				}
			}
			seen = c.seen(p)
			change := c.change
			if change.PutProvider != nil {
				pr := *change.PutProvider // always something to store
				n++
				pr.Description = fmt.Sprint(c.name, n)
				change.PutProvider = &pr
			}
			return change, nil
		})
		if err != nil || !seen || times < 2 {
			b.Errorf("%s: stored after %d decisions, seen: %v, %v", c.name, times, seen, err)
		}
	}
}

func changesNothing(b *bench) {
	st := b.open()
	b.site(st, hq, "cb-1")
	p := b.provider(st, "vc-1")
	site, broker, provider := p.Site.Value, p.Brokers["cb-1"].Value, p.Providers["vc-1"].Value
	for _, c := range []store.Change{
		{},
		{PutSite: &site, PutBrokers: []farm.Broker{broker}, PutProvider: &provider, Events: []farm.Event{{Message: "nothing"}}},
		{DeleteBroker: "cb-9", DeleteProvider: "vc-9"},
	} {
		q := b.edit(st, hq, c)
		b.same("the Site", p, q)
	}
	if q := b.edit(st, "nowhere", store.Change{}); q != nil {
		b.Errorf("no change made %+v", q)
	}
	b.edit(st, "nowhere", store.Change{DeleteSite: true})
	v, err := st.Current(b.ctx())
	b.must(err)
	if v.Revision != p.Revision {
		b.Errorf("revision went from %d to %d", p.Revision, v.Revision)
	}
}

func refused(b *bench) {
	st := b.open()
	p := b.site(st, hq)
	no := errors.New("no")
	_, err := st.Edit(b.ctx(), hq, func(*farm.Picture) (store.Change, error) {
		return store.Change{DeleteSite: true}, no
	})
	if err != no {
		b.Errorf("the decision's error became %v", err)
	}
	b.same("the Site", p, b.current(st, hq))
}

func meaningless(b *bench) {
	st := b.open()
	p := b.site(st, hq, "cb-1")
	other, secret := farm.NewSite("other"), "s"
	for _, c := range []struct {
		name   string
		site   farm.SiteID
		change store.Change
	}{
		{"another Site's configuration", hq, store.Change{PutSite: &other}},
		{"a secret of nothing", hq, store.Change{Secret: &secret}},
		{"a broker twice", hq, store.Change{PutBrokers: []farm.Broker{{ID: "a"}, {ID: "a"}}}},
		{"a broker put and deleted", hq, store.Change{PutBrokers: []farm.Broker{{ID: "cb-1", Name: "x"}}, DeleteBroker: "cb-1"}},
		{"a broker in no Site", "nowhere", store.Change{PutBrokers: []farm.Broker{{ID: "a"}}}},
		{"a Provider with a path for a name", hq, store.Change{PutProvider: &farm.Provider{ID: "a/b"}}},
	} {
		if _, err := st.Edit(b.ctx(), c.site, func(*farm.Picture) (store.Change, error) { return c.change, nil }); err == nil {
			b.Errorf("%s was stored", c.name)
		}
	}
	b.same("the Site", p, b.current(st, hq))
}

func secrets(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq)
	const first, second = "correct horse battery", "staple of the second kind"
	provider := farm.Provider{ID: "vc-1"}
	is := func(want string) {
		b.Helper()
		for _, st := range []store.Store{one, two} {
			got, err := st.Secret(b.ctx(), hq, "vc-1")
			if err != nil || got != want {
				b.Errorf("the secret is %q, %v; want %q", got, err, want)
			}
		}
	}
	set := func(s string) *farm.Picture {
		b.Helper()
		return b.edit(one, hq, store.Change{PutProvider: &provider, Secret: &s})
	}
	is("")
	before := set(first).Providers["vc-1"].Revision
	is(first)
	after := set(second).Providers["vc-1"].Revision
	is(second)
	if after <= before {
		b.Errorf("a new secret left the Provider's revision at %d", after)
	}
	provider.Name = "renamed"
	b.edit(one, hq, store.Change{PutProvider: &provider})
	is(second)
	if b.Raw != nil {
		if raw := b.Raw(b.T); !bytes.Contains(raw, []byte("renamed")) || bytes.Contains(raw, []byte(second)) {
			b.Errorf("the secret lies open in storage")
		}
	}
	set("")
	is("")
	set(first)
	b.edit(one, hq, store.Change{DeleteProvider: "vc-1"})
	is("")
	provider.Name = "made anew"
	b.edit(one, hq, store.Change{PutProvider: &provider})
	is("")
}

func deletedProvider(b *bench) {
	st := b.open()
	b.site(st, hq, "cb-1")
	b.provider(st, "vc-1")
	b.provider(st, "vc-2")
	s := b.register(st, hq, "cb-1")
	term := b.elect(s)
	p := b.apply(st, term, give("vc-1", farm.Stored[farm.Ownership]{}, life("cb-1", s)), give("vc-2", farm.Stored[farm.Ownership]{}, life("cb-1", s)))
	for id, o := range p.Owners {
		b.must(s.Report(b.ctx(), id, o, store.Update{Report: &farm.Report{State: farm.Connected}, Hosts: []farm.Host{{ID: "h1"}, {ID: "h2"}}}))
	}
	p = b.edit(st, hq, store.Change{DeleteProvider: "vc-1"})
	_, reported := p.Reports["vc-1"]
	if p.Providers["vc-1"].Revision != 0 || reported || len(p.Hosts["vc-1"]) != 0 {
		b.Errorf("the deleted Provider left %+v %+v %+v", p.Providers["vc-1"], p.Reports["vc-1"], p.Hosts["vc-1"])
	}
	if p.Owners["vc-1"].Value.Epoch != 1 {
		b.Errorf("its record: %+v", p.Owners["vc-1"])
	}
	if p.Providers["vc-2"].Revision == 0 || len(p.Hosts["vc-2"]) != 2 || len(p.Reports) != 1 {
		b.Errorf("the other Provider: %+v", p)
	}
	if err := s.Report(b.ctx(), "vc-1", p.Owners["vc-1"], store.Update{Hosts: []farm.Host{{ID: "h3"}}}); !errors.Is(err, store.ErrFenced) {
		b.Errorf("a report on a deleted Provider: %v, want fenced", err)
	}
}

func deletedSite(b *bench) {
	one, two := b.open(), b.open()
	other := b.site(one, "hq-2", "cb-1")
	b.site(one, hq, "cb-1")
	secret := "s"
	b.edit(one, hq, store.Change{
		PutProvider: &farm.Provider{ID: "vc-1"}, Secret: &secret, Events: []farm.Event{{Message: "made"}},
	})
	s := b.register(one, hq, "cb-1")
	term := b.elect(s)
	b.must(term.Apply(b.ctx(), farm.Stored[farm.Seats]{}, &farm.Seats{Armed: true}, []farm.Event{{Message: "armed"}},
		[]farm.Decision{give("vc-1", farm.Stored[farm.Ownership]{}, life("cb-1", s))}))
	p := b.current(one, hq)
	b.must(s.Report(b.ctx(), "vc-1", p.Owners["vc-1"], store.Update{Report: &farm.Report{}, Hosts: []farm.Host{{ID: "h"}}}))

	b.edit(two, hq, store.Change{DeleteSite: true})
	if left := b.Left(b.T, hq); len(left) != 0 {
		b.Errorf("left: %q", left)
	}
	for _, st := range []store.Store{one, two} {
		if p := b.current(st, hq); p != nil {
			b.Errorf("still seen: %+v", p)
		}
		b.same("the other Site", other, b.current(st, "hq-2"))
	}
	if err := s.Renew(b.ctx()); !errors.Is(err, store.ErrLost) {
		b.Errorf("a session of the deleted Site: %v, want lost", err)
	}
	if err := term.Apply(b.ctx(), p.Seats, nil, []farm.Event{{}}, nil); !errors.Is(err, store.ErrDeposed) {
		b.Errorf("its coordinator: %v, want deposed", err)
	}
	if got, err := one.Secret(b.ctx(), hq, "vc-1"); got != "" || err != nil {
		b.Errorf("its secret: %q, %v", got, err)
	}
	again := b.site(two, hq)
	if len(again.Brokers)+len(again.Owners)+len(again.Events)+len(again.Presence) != 0 || again.Seats.Revision != 0 {
		b.Errorf("made anew it remembers %+v", again)
	}
}

func fullSite(b *bench) {
	st := b.open()
	c := store.Change{PutSite: &farm.Site{ID: hq, TieBreaker: farm.TieBreakerNone}}
	for i := range farm.MaxBrokers {
		c.PutBrokers = append(c.PutBrokers, farm.Broker{ID: farm.BrokerID(fmt.Sprintf("cb-%d", i)), Mode: farm.ModeActive, Enabled: true})
	}
	b.edit(st, hq, c)
	for _, broker := range c.PutBrokers[1:] {
		b.register(st, hq, broker.ID)
	}
	b.provider(st, "vc-1")
	for i := range c.PutBrokers {
		c.PutBrokers[i].Priority = i
	}
	b.edit(st, hq, store.Change{PutBrokers: c.PutBrokers, Events: []farm.Event{{Message: "the order is another"}}})
	p := b.edit(st, hq, store.Change{DeleteBroker: "cb-0"})
	if len(p.Brokers) != farm.MaxBrokers-1 || len(p.Presence) != farm.MaxBrokers-1 || p.Brokers["cb-49"].Value.Priority != 49 {
		b.Errorf("%d brokers, %d online, the last at %d", len(p.Brokers), len(p.Presence), p.Brokers["cb-49"].Value.Priority)
	}
}
