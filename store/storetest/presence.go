package storetest

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

var presenceTests = []test{
	{"a registered broker is present until its session is closed", presentUntilClosed},
	{"a presence that is renewed outlives its time, one that is not goes", renewal},
	{"what a presence says changes and its incarnation stays", announce},
	{"nothing acts for a presence that is lost", lostActs},
	{"a second life waits until the first is gone", secondLife},
	{"registering ends with its context and leaves nothing", registerGivenUp},
	{"a broker may be present before its Site is stored", beforeItsSite},
}

func presentUntilClosed(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq, "cb-1")
	s := b.register(one, hq, "cb-1")
	if s.TTL() < shortest {
		b.Errorf("granted %v", s.TTL())
	}
	p := b.current(two, hq)
	if got := p.Presence["cb-1"]; got.Incarnation != s.Incarnation() || got.Address != "http://cb-1" || !p.Alive(life("cb-1", s)) {
		b.Errorf("presence: %+v, incarnation %d", got, s.Incarnation())
	}
	b.must(s.Close(b.ctx()))
	if p := b.current(two, hq); p.Alive(life("cb-1", s)) {
		b.Errorf("present after closing")
	}
	b.must(s.Close(b.ctx()))
	if err := s.Renew(b.ctx()); !errors.Is(err, store.ErrLost) {
		b.Errorf("renewed after closing: %v", err)
	}
}

func renewal(b *bench) {
	st := b.open()
	b.site(st, hq, "cb-1", "cb-2")
	kept := b.register(st, hq, "cb-1")
	start := time.Now()
	left, err := st.Register(b.ctx(), hq, farm.Presence{Broker: "cb-2"}, shortest)
	b.must(err)
	b.until(st, hq, "the presence to run out", func(p *farm.Picture) bool { return !p.Alive(life("cb-2", left)) })
	if took := time.Since(start); took < left.TTL() {
		b.Errorf("a presence of %v was gone after %v", left.TTL(), took)
	}
	if err := left.Renew(b.ctx()); !errors.Is(err, store.ErrLost) {
		b.Errorf("renewed when it was gone: %v", err)
	}
	b.must(kept.Renew(b.ctx()))
	if !b.current(st, hq).Alive(life("cb-1", kept)) {
		b.Errorf("the renewed presence is gone")
	}
}

func announce(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq, "cb-1")
	s := b.register(one, hq, "cb-1")
	b.must(s.Announce(b.ctx(), farm.Presence{Broker: "somebody", Incarnation: 1, Address: "new", Leaving: true,
		Unreached: map[farm.BrokerID]farm.Incarnation{"cb-2": 7}, Paths: map[farm.ProviderID]bool{"vc-1": true, "vc-2": false}, ContactKey: []byte("key")}))
	want := farm.Presence{Broker: "cb-1", Incarnation: s.Incarnation(), Address: "new", Leaving: true,
		Unreached: map[farm.BrokerID]farm.Incarnation{"cb-2": 7}, Paths: map[farm.ProviderID]bool{"vc-1": true, "vc-2": false}, ContactKey: []byte("key")}
	p := b.current(two, hq)
	if len(p.Presence) != 1 || !reflect.DeepEqual(p.Presence["cb-1"], want) {
		b.Errorf("presence: %+v", p.Presence)
	}
	b.must(s.Close(b.ctx()))
	if p := b.current(two, hq); len(p.Presence) != 0 {
		b.Errorf("what was announced outlives its session: %+v", p.Presence)
	}
}

func lostActs(b *bench) {
	st := b.open()
	b.site(st, hq, "cb-1")
	b.provider(st, "vc-1")
	s := b.register(st, hq, "cb-1")
	term := b.elect(s)
	record := b.apply(st, term, give("vc-1", farm.Stored[farm.Ownership]{}, life("cb-1", s))).Owners["vc-1"]
	b.Expire(b.T, hq, "cb-1")
	before := b.current(st, hq)
	if len(before.Presence) != 0 || before.Coordinator.Broker != "" {
		b.Fatalf("still present: %+v %+v", before.Presence, before.Coordinator)
	}
	next := b.register(st, hq, "cb-1") // another life of the same broker
	if next.Incarnation() <= s.Incarnation() {
		b.Errorf("incarnation %d after %d", next.Incarnation(), s.Incarnation())
	}
	before = b.current(st, hq)
	target := record
	target.Value.Target, target.Value.TargetIncarnation = "cb-1", next.Incarnation()
	releasing := record
	releasing.Value.Releasing, releasing.Value.ReleasingIncarnation = "cb-1", s.Incarnation()
	for what, act := range map[string]func(context.Context) error{
		"renew":    s.Renew,
		"announce": func(ctx context.Context) error { return s.Announce(ctx, farm.Presence{Leaving: true}) },
		"campaign": func(ctx context.Context) error { _, err := s.Campaign(ctx); return err },
		"handover": func(ctx context.Context) error { return s.Handover(ctx, "vc-1", target) },
		"release":  func(ctx context.Context) error { return s.Release(ctx, "vc-1", releasing) },
		"report": func(ctx context.Context) error {
			return s.Report(ctx, "vc-1", record, store.Update{Report: &farm.Report{State: farm.Connected}})
		},
	} {
		if err := act(b.ctx()); !errors.Is(err, store.ErrLost) {
			b.Errorf("%s: %v, want lost", what, err)
		}
	}
	b.must(s.Close(b.ctx()))
	b.same("the Site", before, b.current(st, hq))
}

func secondLife(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq, "cb-1")
	first := b.register(one, hq, "cb-1")
	type result struct {
		s   store.Session
		err error
	}
	got := make(chan result, 1)
	go func() {
		s, err := two.Register(b.ctx(), hq, farm.Presence{Broker: "cb-1"}, shortest)
		got <- result{s, err}
	}()
	for range 5 { // time enough for both to have acted
		increment(b, two)
		b.must(first.Renew(b.ctx()))
		if !b.current(two, hq).Alive(life("cb-1", first)) {
			b.Fatal("the first life was cut short")
		}
	}
	select {
	case r := <-got:
		b.Fatalf("two lives at once: %+v", r)
	default:
	}
	b.Expire(b.T, hq, "cb-1")
	r := <-got
	b.must(r.err)
	if p := b.current(one, hq); !p.Alive(life("cb-1", r.s)) || r.s.Incarnation() <= first.Incarnation() {
		b.Errorf("presence %+v, incarnation %d", p.Presence, r.s.Incarnation())
	}
	b.must(first.Close(b.ctx())) // it has nothing left to close
	if p := b.current(one, hq); !p.Alive(life("cb-1", r.s)) {
		b.Errorf("closing the first life ended the second")
	}
	b.must(r.s.Close(b.ctx()))
}

func registerGivenUp(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq, "cb-1")
	first := b.register(one, hq, "cb-1")
	ctx, cancel := context.WithCancel(b.ctx())
	got := make(chan error, 1)
	go func() {
		_, err := two.Register(ctx, hq, farm.Presence{Broker: "cb-1"}, shortest)
		got <- err
	}()
	increment(b, two)
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		b.Errorf("registering ended with %v", err)
	}
	if _, err := two.Register(ctx, hq, farm.Presence{Broker: "cb-2"}, shortest); !errors.Is(err, context.Canceled) {
		b.Errorf("registering with an ended context: %v", err)
	}
	b.must(first.Close(b.ctx()))
	if p := b.current(one, hq); len(p.Presence) != 0 {
		b.Errorf("present: %+v", p.Presence)
	}
}

func beforeItsSite(b *bench) {
	one, two := b.open(), b.open()
	s := b.register(one, hq, "cb-1")
	v, err := two.Current(b.ctx())
	b.must(err)
	if len(v.Sites) != 0 {
		b.Errorf("a Site nobody has stored: %+v", v.Sites)
	}
	if p := b.site(two, hq, "cb-1"); !p.Alive(life("cb-1", s)) {
		b.Errorf("presence: %+v", p.Presence)
	}
}
