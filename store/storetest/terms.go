package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

var termTests = []test{
	{"there is one coordinator, and another when it goes", oneAtATime},
	{"a coordinator that campaigns again has the same term", func(b *bench) {
		st := b.open()
		b.site(st, hq)
		s := b.register(st, hq, "cb-1")
		b.elect(s)
		before := b.current(st, hq).Coordinator
		b.elect(s)
		if after := b.current(st, hq).Coordinator; after != before {
			b.Errorf("%+v became %+v", before, after)
		}
	}},
	{"Sites have coordinators of their own", func(b *bench) {
		st := b.open()
		b.site(st, hq)
		b.site(st, "hq-2")
		b.elect(b.register(st, hq, "cb-1"))
		b.elect(b.register(st, "hq-2", "cb-1"))
	}},
	{"a candidate that is lost while it waits is told", lostCandidate},
	{"campaigning ends with its context", func(b *bench) {
		st := b.open()
		b.site(st, hq)
		b.elect(b.register(st, hq, "cb-1"))
		s := b.register(st, hq, "cb-2")
		ctx, cancel := context.WithCancel(b.ctx())
		got := make(chan error, 1)
		go func() { _, err := s.Campaign(ctx); got <- err }()
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			b.Errorf("campaign ended with %v", err)
		}
	}},
	{"a coordinator that resigns makes way and may stand again", func(b *bench) {
		st := b.open()
		b.site(st, hq)
		one, two := b.register(st, hq, "cb-1"), b.register(st, hq, "cb-2")
		first := b.elect(one)
		b.must(first.Resign(b.ctx()))
		b.elect(two)
		for what, err := range map[string]error{
			"resigning twice": first.Resign(b.ctx()),
			"a verdict":       first.Apply(b.ctx(), b.current(st, hq).Seats, &farm.Seats{State: farm.StateOff}, nil, nil),
		} {
			if !errors.Is(err, store.ErrDeposed) {
				b.Errorf("%s: %v", what, err)
			}
		}
		b.must(two.Close(b.ctx()))
		if again := b.elect(one); again.Resign(b.ctx()) != nil {
			b.Errorf("it cannot resign again")
		}
	}},
	{"a deposed coordinator stores nothing", deposed},
	{"a verdict replaces the one it says", verdicts},
	{"a decision replaces the record it says", staleDecision},
	{"nobody is made owner while the one before may act", guardGone},
	{"nobody is made owner who is not there", guardPresent},
	{"very many decisions are all stored", manyDecisions},
}

func oneAtATime(b *bench) {
	stores := []store.Store{b.open(), b.open()}
	b.site(stores[0], hq)
	const candidates = 5
	var inOffice atomic.Int32
	sessions := map[farm.BrokerID]store.Session{}
	elected := make(chan farm.BrokerID, candidates)
	for i := range candidates {
		id := farm.BrokerID(fmt.Sprint("cb-", i))
		s := b.register(stores[i%2], hq, id)
		sessions[id] = s
		go func() {
			if _, err := s.Campaign(b.ctx()); err != nil {
				b.Error(err)
			}
			if n := inOffice.Add(1); n != 1 {
				b.Errorf("%d coordinators", n)
			}
			elected <- id
		}()
	}
	var last farm.Revision
	for i := range candidates {
		id := <-elected
		for _, st := range stores {
			c := b.current(st, hq).Coordinator
			if c.Broker != id || c.Term <= last && st == stores[0] {
				b.Errorf("coordinator %+v after term %d, want %s", c, last, id)
			}
		}
		last = b.current(stores[0], hq).Coordinator.Term
		inOffice.Add(-1)
		if i%2 == 0 {
			b.must(sessions[id].Close(b.ctx()))
		} else {
			b.Expire(b.T, hq, id)
		}
	}
	if c := b.current(stores[0], hq).Coordinator; c != (farm.Coordinator{}) {
		b.Errorf("everybody is gone but %+v", c)
	}
}

func lostCandidate(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq)
	b.elect(b.register(one, hq, "cb-1"))
	s := b.register(two, hq, "cb-2")
	got := make(chan error, 1)
	go func() { _, err := s.Campaign(b.ctx()); got <- err }()
	increment(b, two)
	b.Expire(b.T, hq, "cb-2")
	if err := <-got; !errors.Is(err, store.ErrLost) {
		b.Errorf("campaign ended with %v, want lost", err)
	}
}

func deposed(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq, "cb-1", "cb-2")
	s1, s2 := b.register(one, hq, "cb-1"), b.register(two, hq, "cb-2")
	old := b.elect(s1)
	for _, successor := range []bool{false, true} {
		if successor {
			b.elect(s2)
		} else {
			b.Expire(b.T, hq, "cb-1")
		}
		before := b.current(two, hq)
		for what, err := range map[string]error{
			"a verdict": old.Apply(b.ctx(), before.Seats, &farm.Seats{Armed: true}, nil, nil),
			"decisions": old.Apply(b.ctx(), before.Seats, nil, nil, []farm.Decision{give("vc-1", before.Owners["vc-1"], life("cb-2", s2))}),
			"events":    old.Apply(b.ctx(), before.Seats, nil, []farm.Event{{Message: "x"}}, nil),
		} {
			if !errors.Is(err, store.ErrDeposed) {
				b.Errorf("%s: %v, want deposed", what, err)
			}
		}
		b.same("the Site", before, b.current(two, hq))
	}
}

func verdicts(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq, "cb-1")
	s := b.register(one, hq, "cb-1")
	term := b.elect(s)
	none := farm.Stored[farm.Seats]{}
	b.must(term.Apply(b.ctx(), none, &farm.Seats{Epoch: 1}, []farm.Event{{Message: "first"}}, nil))
	if err := term.Apply(b.ctx(), none, &farm.Seats{Epoch: 2}, nil, nil); !errors.Is(err, store.ErrConflict) {
		b.Errorf("a second first verdict: %v, want conflict", err)
	}
	p := b.current(two, hq)
	if p.Seats.Value.Epoch != 1 || len(p.Events) != 1 || p.Events[0].Revision != p.Seats.Revision {
		b.Errorf("seats %+v, events %+v", p.Seats, p.Events)
	}
	b.must(term.Apply(b.ctx(), p.Seats, &farm.Seats{Epoch: 2}, nil, nil))
	// Decisions that rest on the verdict before.
	d := give("vc-1", p.Owners["vc-1"], life("cb-1", s))
	if err := term.Apply(b.ctx(), p.Seats, nil, nil, []farm.Decision{d}); !errors.Is(err, store.ErrConflict) {
		b.Errorf("decisions under an old verdict: %v, want conflict", err)
	}
	if p := b.current(two, hq); len(p.Owners) != 0 || p.Seats.Value.Epoch != 2 {
		b.Errorf("owners %+v, seats %+v", p.Owners, p.Seats)
	}
	b.must(term.Apply(b.ctx(), b.current(two, hq).Seats, nil, nil, []farm.Decision{d}))
	rev := b.current(one, hq).Owners["vc-1"].Revision
	b.must(term.Apply(b.ctx(), b.current(two, hq).Seats, nil, nil, nil))
	if p := b.current(one, hq); p.Owners["vc-1"].Revision != rev || p.Seats.Value.Epoch != 2 {
		b.Errorf("nothing to store stored something: %+v", p)
	}
}

func staleDecision(b *bench) {
	st := b.open()
	b.site(st, hq, "cb-1", "cb-2")
	s1, s2 := b.register(st, hq, "cb-1"), b.register(st, hq, "cb-2")
	term := b.elect(s1)
	none := farm.Stored[farm.Ownership]{}
	p := b.apply(st, term, give("vc-1", none, life("cb-1", s1)))
	first := p.Owners["vc-1"]
	if first.Value.Epoch != 1 || first.Value.Broker != "cb-1" {
		b.Fatalf("record: %+v", first)
	}
	if err := term.Apply(b.ctx(), p.Seats, nil, nil, []farm.Decision{give("vc-1", none, life("cb-2", s2))}); !errors.Is(err, store.ErrConflict) {
		b.Errorf("a second first owner: %v, want conflict", err)
	}
	b.same("the Site", p, b.current(st, hq))
}

func guardGone(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq, "cb-1", "cb-2")
	s1, s2 := b.register(one, hq, "cb-1"), b.register(two, hq, "cb-2")
	term := b.elect(s2)
	p := b.apply(two, term, give("vc-1", farm.Stored[farm.Ownership]{}, life("cb-1", s1)))
	takeover := give("vc-1", p.Owners["vc-1"], life("cb-2", s2))
	if err := term.Apply(b.ctx(), p.Seats, nil, nil, []farm.Decision{takeover}); !errors.Is(err, store.ErrConflict) {
		b.Errorf("takeover from a living owner: %v, want conflict", err)
	}
	b.same("the Site", p, b.current(one, hq))

	// It comes back as another life before anybody has looked: its old life is gone all the same.
	b.Expire(b.T, hq, "cb-1")
	again := b.register(one, hq, "cb-1")
	p = b.apply(two, term, takeover)
	if o := p.Owners["vc-1"].Value; o.Broker != "cb-2" || o.Epoch != 2 || o.Incarnation != s2.Incarnation() {
		b.Errorf("record: %+v", o)
	}
	if e := p.Events[len(p.Events)-1]; e.Type != farm.EventOwnerChanged || e.To != "cb-2" || e.Epoch != 2 || e.Revision != p.Owners["vc-1"].Revision {
		b.Errorf("event: %+v", e)
	}

	// A record that still waits for a release is guarded as well.
	now := p.Owners["vc-1"]
	releasing := now.Value
	releasing.Broker, releasing.Incarnation = "", 0
	releasing.Releasing, releasing.ReleasingIncarnation = "cb-2", s2.Incarnation()
	p = b.apply(two, term, farm.Decision{Provider: "vc-1", Was: now, Next: releasing})
	cleared := give("vc-1", p.Owners["vc-1"], life("cb-1", again))
	cleared.Next.Releasing, cleared.Next.ReleasingIncarnation = "", 0
	if err := term.Apply(b.ctx(), p.Seats, nil, nil, []farm.Decision{cleared}); !errors.Is(err, store.ErrConflict) {
		b.Errorf("given away before it was released: %v, want conflict", err)
	}
}

func guardPresent(b *bench) {
	st := b.open()
	b.site(st, hq, "cb-1", "cb-2")
	s1, s2 := b.register(st, hq, "cb-1"), b.register(st, hq, "cb-2")
	term := b.elect(s1)
	b.Expire(b.T, hq, "cb-2")
	next := b.register(st, hq, "cb-2")
	p := b.current(st, hq)
	none := farm.Stored[farm.Ownership]{}
	for who, l := range map[string]farm.Life{
		"an earlier life": life("cb-2", s2),
		"nobody known":    {Broker: "cb-9", Incarnation: 3},
	} {
		if err := term.Apply(b.ctx(), p.Seats, nil, nil, []farm.Decision{give("vc-1", none, l)}); !errors.Is(err, store.ErrConflict) {
			b.Errorf("given to %s: %v, want conflict", who, err)
		}
	}
	p = b.apply(st, term, give("vc-1", none, life("cb-1", s1)))
	plan := func(l farm.Life) farm.Decision {
		d := farm.Decision{Provider: "vc-1", Was: p.Owners["vc-1"], Next: p.Owners["vc-1"].Value}
		d.Next.Target, d.Next.TargetIncarnation = l.Broker, l.Incarnation
		return d
	}
	if err := term.Apply(b.ctx(), p.Seats, nil, nil, []farm.Decision{plan(life("cb-2", s2))}); !errors.Is(err, store.ErrConflict) {
		b.Errorf("a handover to an earlier life: %v, want conflict", err)
	}
	b.apply(st, term, plan(life("cb-2", next)))
}

func manyDecisions(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq, "cb-1", "cb-2", "cb-3")
	sessions := map[farm.BrokerID]store.Session{}
	var term store.Term
	for _, id := range []farm.BrokerID{"cb-1", "cb-2", "cb-3"} {
		sessions[id] = b.register(one, hq, id)
		if term == nil {
			term = b.elect(sessions[id])
		}
	}
	const n = 400
	decide := func(p *farm.Picture) (ds []farm.Decision) {
		for i := range n {
			id := farm.ProviderID(fmt.Sprint("vc-", i))
			to := farm.BrokerID(fmt.Sprint("cb-", 1+i%2))
			ds = append(ds, give(id, p.Owners[id], life(to, sessions[to])))
		}
		return ds
	}
	for epoch := farm.Epoch(1); epoch <= 3; epoch++ {
		p := b.current(one, hq)
		b.must(term.Apply(b.ctx(), p.Seats, &farm.Seats{Epoch: uint64(epoch)}, []farm.Event{{Message: "verdict"}}, decide(p)))
		p = b.current(two, hq)
		if len(p.Owners) != n || p.Seats.Value.Epoch != uint64(epoch) {
			b.Fatalf("%d records, seats %+v", len(p.Owners), p.Seats)
		}
		for id, o := range p.Owners {
			if o.Value.Epoch != epoch {
				b.Fatalf("record of %s: %+v", id, o)
			}
		}
	}
	p := b.current(two, hq)
	if len(p.Events) != 3+n { // the owners changed only in the first round
		b.Errorf("%d events", len(p.Events))
	}
}
