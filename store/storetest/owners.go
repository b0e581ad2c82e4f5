package storetest

import (
	"errors"
	"fmt"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

var ownerTests = []test{
	{"a handover makes the target the owner", handover},
	{"a handover to a target that is gone is refused", func(b *bench) {
		st, s1, p := handoverWanted(b)
		b.Expire(b.T, hq, "cb-2")
		b.register(st, hq, "cb-2") // another life of it
		if err := s1.Handover(b.ctx(), "vc-1", p.Owners["vc-1"]); !errors.Is(err, store.ErrConflict) {
			b.Errorf("%v, want conflict", err)
		}
		if o := b.current(st, hq).Owners["vc-1"]; o.Value.Epoch != 1 || o.Value.Broker != "cb-1" {
			b.Errorf("record: %+v", o)
		}
	}},
	{"a release clears the record of the one that had to stop", release},
	{"a report is stored whole", reportStored},
	{"a report of very many Hosts is stored whole", reportLarge},
	{"who is not the owner reports nothing", reportFenced},
}

// handoverWanted is a Site whose Provider vc-1 is cb-1's and wanted at cb-2.
func handoverWanted(b *bench) (store.Store, store.Session, *farm.Picture) {
	b.Helper()
	st := b.open()
	b.site(st, hq, "cb-1", "cb-2")
	b.provider(st, "vc-1")
	s1, s2 := b.register(st, hq, "cb-1"), b.register(st, hq, "cb-2")
	term := b.elect(s1)
	p := b.apply(st, term, give("vc-1", farm.Stored[farm.Ownership]{}, life("cb-1", s1)))
	d := farm.Decision{Provider: "vc-1", Was: p.Owners["vc-1"], Next: p.Owners["vc-1"].Value}
	d.Next.Target, d.Next.TargetIncarnation = "cb-2", s2.Incarnation()
	d.Next.TargetReason, d.Next.TargetMessage = farm.ReasonRebalance, "to spread them"
	return st, s1, b.apply(st, term, d)
}

func handover(b *bench) {
	st, s1, p := handoverWanted(b)
	was := p.Owners["vc-1"]
	stale := was
	stale.Revision--
	if err := s1.Handover(b.ctx(), "vc-1", stale); !errors.Is(err, store.ErrConflict) {
		b.Errorf("handover of an earlier record: %v, want conflict", err)
	}
	b.must(s1.Handover(b.ctx(), "vc-1", was))
	p = b.current(st, hq)
	o := p.Owners["vc-1"].Value
	want := farm.HandedOver(was.Value)
	want.Since = o.Since
	if o != want || o.Broker != "cb-2" || o.Epoch != 2 || o.Since.IsZero() {
		b.Errorf("record: %+v, want %+v", o, want)
	}
	e := p.Events[len(p.Events)-1]
	if e.Type != farm.EventOwnerChanged || e.From != "cb-1" || e.To != "cb-2" || e.Epoch != 2 ||
		e.Reason != farm.ReasonRebalance || e.Revision != p.Owners["vc-1"].Revision {
		b.Errorf("event: %+v", e)
	}
	if err := s1.Handover(b.ctx(), "vc-1", was); !errors.Is(err, store.ErrConflict) {
		b.Errorf("the same handover again: %v, want conflict", err)
	}
	if err := s1.Handover(b.ctx(), "vc-1", p.Owners["vc-1"]); !errors.Is(err, store.ErrConflict) {
		b.Errorf("a handover by who is not the owner: %v, want conflict", err)
	}
}

func release(b *bench) {
	st := b.open()
	b.site(st, hq, "cb-1", "cb-2")
	s1, s2 := b.register(st, hq, "cb-1"), b.register(st, hq, "cb-2")
	term := b.elect(s2)
	p := b.apply(st, term, give("vc-1", farm.Stored[farm.Ownership]{}, life("cb-1", s1)))
	first := p.Owners["vc-1"]
	next := first.Value
	next.Broker, next.Incarnation, next.Epoch = "", 0, 2
	next.Releasing, next.ReleasingIncarnation = "cb-1", s1.Incarnation()
	p = b.apply(st, term, farm.Decision{Provider: "vc-1", Was: first, Next: next})
	taken := p.Owners["vc-1"]
	if err := s1.Release(b.ctx(), "vc-1", first); !errors.Is(err, store.ErrConflict) {
		b.Errorf("release of an earlier record: %v, want conflict", err)
	}
	if err := s2.Release(b.ctx(), "vc-1", taken); !errors.Is(err, store.ErrConflict) {
		b.Errorf("release by another broker: %v, want conflict", err)
	}
	b.must(s1.Release(b.ctx(), "vc-1", taken))
	if o := b.current(st, hq).Owners["vc-1"].Value; o != farm.Released(taken.Value) || o.Epoch != 2 {
		b.Errorf("record: %+v", o)
	}
	if err := s1.Release(b.ctx(), "vc-1", taken); !errors.Is(err, store.ErrConflict) {
		b.Errorf("the same release again: %v, want conflict", err)
	}
}

// owned is a Site whose Provider vc-1 is cb-1's.
func owned(b *bench) (store.Store, store.Session, store.Term, farm.Stored[farm.Ownership]) {
	b.Helper()
	st := b.open()
	b.site(st, hq, "cb-1")
	b.provider(st, "vc-1")
	s := b.register(st, hq, "cb-1")
	term := b.elect(s)
	return st, s, term, b.apply(st, term, give("vc-1", farm.Stored[farm.Ownership]{}, life("cb-1", s))).Owners["vc-1"]
}

func reportStored(b *bench) {
	st, s, _, was := owned(b)
	b.must(s.Report(b.ctx(), "vc-1", was, store.Update{
		Report: &farm.Report{Epoch: 99, State: farm.Connected, Hosts: 2},
		Hosts:  []farm.Host{{ID: "a", Name: "A", State: farm.HostOn}, {ID: "b"}},
		Events: []farm.Event{{Message: "connected"}},
	}))
	p := b.current(st, hq)
	if r := p.Reports["vc-1"]; r.State != farm.Connected || r.Epoch != 1 {
		b.Errorf("report: %+v", r)
	}
	if h := p.Hosts["vc-1"]["a"]; h.Name != "A" || h.Epoch != 1 || len(p.Hosts["vc-1"]) != 2 {
		b.Errorf("Hosts: %+v", p.Hosts)
	}
	if e := p.Events[len(p.Events)-1]; e.Message != "connected" {
		b.Errorf("event: %+v", e)
	}
	b.must(s.Report(b.ctx(), "vc-1", was, store.Update{
		Hosts: []farm.Host{{ID: "c"}}, Gone: []farm.HostID{"a", "never there"},
	}))
	after := b.current(st, hq)
	if len(after.Hosts["vc-1"]) != 2 || after.Hosts["vc-1"]["a"].ID != "" || after.Reports["vc-1"] != p.Reports["vc-1"] {
		b.Errorf("Hosts: %+v, report %+v", after.Hosts, after.Reports)
	}
	if len(p.Hosts["vc-1"]) != 2 || p.Hosts["vc-1"]["a"].ID != "a" {
		b.Errorf("the picture before has changed: %+v", p.Hosts)
	}
	b.must(s.Report(b.ctx(), "vc-1", was, store.Update{}))
}

func reportLarge(b *bench) {
	st, s, _, was := owned(b)
	var hosts []farm.Host
	for i := range 200 {
		hosts = append(hosts, farm.Host{ID: farm.HostID(fmt.Sprint("vm/", i)), State: farm.HostOn})
	}
	b.must(s.Report(b.ctx(), "vc-1", was, store.Update{
		Report: &farm.Report{State: farm.Connected, Hosts: len(hosts)}, Hosts: hosts, Events: []farm.Event{{Message: "listed"}},
	}))
	p := b.current(st, hq)
	if len(p.Hosts["vc-1"]) != len(hosts) || p.Reports["vc-1"].Hosts != len(hosts) {
		b.Errorf("%d Hosts, report %+v", len(p.Hosts["vc-1"]), p.Reports["vc-1"])
	}
	var gone []farm.HostID
	for _, h := range hosts[:150] {
		gone = append(gone, h.ID)
	}
	b.must(s.Report(b.ctx(), "vc-1", was, store.Update{Gone: gone}))
	if p := b.current(st, hq); len(p.Hosts["vc-1"]) != 50 {
		b.Errorf("%d Hosts are left", len(p.Hosts["vc-1"]))
	}
}

func reportFenced(b *bench) {
	st, s, term, was := owned(b)
	other := b.register(st, hq, "cb-2")
	fenced := func(who string, s store.Session, was farm.Stored[farm.Ownership]) {
		b.Helper()
		before := b.current(st, hq)
		err := s.Report(b.ctx(), "vc-1", was, store.Update{
			Report: &farm.Report{State: farm.Failed}, Hosts: []farm.Host{{ID: "x"}}, Events: []farm.Event{{}},
		})
		if !errors.Is(err, store.ErrFenced) {
			b.Errorf("%s: %v, want fenced", who, err)
		}
		b.same("the Site", before, b.current(st, hq))
	}
	fenced("another broker", other, was)
	fenced("no record", s, farm.Stored[farm.Ownership]{})
	changed := farm.Decision{Provider: "vc-1", Was: was, Next: was.Value}
	changed.Next.Message = "said otherwise"
	p := b.apply(st, term, changed)
	fenced("an earlier record", s, was)
	b.must(s.Report(b.ctx(), "vc-1", p.Owners["vc-1"], store.Update{Report: &farm.Report{State: farm.Connected}}))
}
