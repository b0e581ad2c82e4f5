package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

var viewTests = []test{
	{"what one server stores another one reads back whole", readBack},
	{"a new farm is empty", func(b *bench) {
		st := b.open()
		v, err := st.Current(b.ctx())
		b.must(err)
		if len(v.Sites) != 0 || len(v.Tokens) != 0 {
			b.Errorf("it holds %v and %v", v.Sites, v.Tokens)
		}
	}},
	{"every revision is kept as it was", history},
	{"a revision that is forgotten or not reached yet is gone", historyGone},
	{"all of a transaction is seen at once", atomicViews},
	{"views never change and never go back", monotonicViews},
	{"waiting ends with its context", func(b *bench) {
		st := b.open()
		ctx, cancel := context.WithCancelCause(b.ctx())
		cancel(errors.New("enough"))
		if _, err := st.Wait(ctx, 1<<60); !errors.Is(err, context.Canceled) {
			b.Errorf("Wait: %v", err)
		}
	}},
	{"the root token is created once", rootToken},
	{"health says that all is well", func(b *bench) {
		st := b.open()
		_, err := st.Current(b.ctx())
		b.must(err)
		b.must(st.CheckSecretKey(b.ctx()))
		h := st.Health(b.ctx())
		if !h.Ready || !h.Answers || !h.Current || h.Problem != "" || len(h.Members) != 1 ||
			!h.Members[0].Healthy || !h.Members[0].Leader || h.Version == "" || len(h.Alarms) != 0 {
			b.Errorf("health: %+v", h)
		}
	}},
}

func readBack(b *bench) {
	one, two := b.open(), b.open()
	at := time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)
	site := farm.Site{
		ID: hq, Name: "Head <quarters>", Description: "first", TieBreaker: farm.TieBreakerPriority,
		Failback:         farm.Failback{Mode: farm.FailbackManual, HoldDown: 90 * time.Second},
		MaxParallelMoves: 3, CreatedAt: at, UpdatedAt: at.Add(time.Hour),
	}
	broker := farm.Broker{
		ID: "cb-1", Name: "One", Description: "d", Address: "https://cb-1", Mode: farm.ModeStandby,
		Priority: 4, Enabled: true, Draining: true, CreatedAt: at, UpdatedAt: at,
	}
	provider := farm.Provider{
		ID: "vc-1", Name: "vCenter", Description: "d", Type: "vsphere", Address: "https://vc", Username: "u",
		Options: json.RawMessage(`{"a":["<x>",1]}`), Enabled: true, Preferred: farm.Manual("cb-1"),
		MovedTo: "cb-1", CreatedAt: at, UpdatedAt: at,
	}
	event := farm.Event{
		Time: at, Type: farm.EventConfigChanged, Subject: "site", From: "a", To: "b", Epoch: 7,
		Reason: farm.ReasonInitial, Message: "m", Cause: "brokers/cb-1",
	}
	p := b.edit(one, hq, store.Change{
		PutSite: &site, PutBrokers: []farm.Broker{broker}, PutProvider: &provider, Events: []farm.Event{event},
	})
	rev := p.Revision
	event.Revision = p.Site.Revision
	if len(p.Events) != 1 || p.Events[0].ID == "" {
		b.Fatalf("events: %+v", p.Events)
	}
	event.ID = p.Events[0].ID
	want := &farm.Picture{
		Revision:  rev,
		Site:      farm.Stored[farm.Site]{Value: site, Revision: rev},
		Brokers:   map[farm.BrokerID]farm.Stored[farm.Broker]{"cb-1": {Value: broker, Revision: rev}},
		Providers: map[farm.ProviderID]farm.Stored[farm.Provider]{"vc-1": {Value: provider, Revision: rev}},
		Events:    []farm.Event{event},
	}
	b.same("the picture of the edit", want, p)
	b.same("the other server's picture", want, b.current(two, hq))
	b.same("the picture at that revision", want, b.at(two, rev))
	b.same("a third server's picture", want, b.current(b.open(), hq))

	first := b.register(one, hq, "cb-1")
	second := b.register(two, hq, "cb-2")
	b.must(first.Announce(b.ctx(), farm.Presence{Broker: "cb-1", Address: "a", Version: "v1", Since: at, Leaving: true}))
	term := b.elect(first)
	seats := farm.Seats{
		Armed: true, Seats: []farm.Seat{{Broker: "cb-1", Occupant: "cb-2"}}, Serving: []farm.BrokerID{"cb-2"},
		State: farm.StateDegraded, Reason: farm.ReasonBrokerOffline, Message: "m", Since: at, Epoch: 3,
		Returns: map[farm.BrokerID]farm.Return{"cb-1": {Held: true, Flaps: 2, Incarnation: 5}},
		Online:  map[farm.BrokerID]farm.Incarnation{"cb-1": first.Incarnation()},
	}
	record := farm.Ownership{
		Broker: "cb-1", Incarnation: first.Incarnation(), Epoch: 1, Since: at, Reason: farm.ReasonFailback,
		Message: "m", Home: "cb-2", Target: "cb-2", TargetIncarnation: second.Incarnation(),
		TargetReason: farm.ReasonRebalance, TargetMessage: "t",
	}
	b.must(term.Apply(b.ctx(), farm.Stored[farm.Seats]{}, &seats, nil,
		[]farm.Decision{{Provider: "vc-1", Next: record}}))
	was := b.current(one, hq).Owners["vc-1"]
	host := farm.Host{
		ID: "moref/ä:42 %", Name: "desk", State: farm.HostOn, Addresses: []string{"10.0.0.1"}, GuestOS: "w",
		Maintenance: true, AsOf: at, Epoch: 1,
	}
	report := farm.Report{
		Epoch: 1, State: farm.Failed, Reason: farm.ReasonTimeout, Message: "m", Since: at, Hosts: 1, UsableHosts: 1,
	}
	b.must(first.Report(b.ctx(), "vc-1", was, store.Update{Report: &report, Hosts: []farm.Host{host}}))

	got := b.current(two, hq)
	want.Revision = got.Revision
	want.Presence = map[farm.BrokerID]farm.Presence{
		"cb-1": {Broker: "cb-1", Incarnation: first.Incarnation(), Address: "a", Version: "v1", Since: at, Leaving: true},
		"cb-2": {Broker: "cb-2", Incarnation: second.Incarnation(), Address: "http://cb-2"},
	}
	want.Coordinator = farm.Coordinator{Broker: "cb-1", Term: got.Coordinator.Term}
	want.Seats = farm.Stored[farm.Seats]{Value: seats, Revision: got.Seats.Revision}
	want.Owners = map[farm.ProviderID]farm.Stored[farm.Ownership]{"vc-1": {Value: record, Revision: was.Revision}}
	want.Reports = map[farm.ProviderID]farm.Report{"vc-1": report}
	want.Hosts = map[farm.ProviderID]map[farm.HostID]farm.Host{"vc-1": {host.ID: host}}
	b.same("the running Site", want, got)
	b.same("the running Site to a new server", want, b.current(b.open(), hq))
	if got.Coordinator.Term == 0 || got.Seats.Revision == 0 || was.Revision != got.Seats.Revision {
		b.Errorf("term %d, seats at %d, record at %d", got.Coordinator.Term, got.Seats.Revision, was.Revision)
	}
}

func history(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, "other")
	before := b.current(one, "other").Revision
	kept := []*farm.Picture{b.site(one, hq, "cb-1", "cb-2", "cb-3")}
	for _, id := range []farm.ProviderID{"vc-1", "vc-2", "vc-3"} {
		kept = append(kept, b.provider(one, id))
	}
	kept = append(kept, b.edit(one, hq, store.Change{DeleteBroker: "cb-2", DeleteProvider: "vc-1"}))
	kept = append(kept, b.edit(one, hq, store.Change{Events: []farm.Event{{Message: "a"}, {Message: "b"}}}))
	deleted := b.edit(one, hq, store.Change{DeleteSite: true})
	if deleted != nil {
		b.Errorf("a deleted Site is %+v", deleted)
	}
	after := b.site(one, "other", "cb-9").Revision
	for _, st := range []store.Store{one, two, b.open()} {
		for _, want := range kept {
			got, err := st.At(b.ctx(), hq, want.Revision)
			b.must(err)
			b.same("the Site as it was", want, got)
		}
		for _, rev := range []farm.Revision{before, after} {
			if got, err := st.At(b.ctx(), hq, rev); err != nil || got != nil {
				b.Errorf("at %d there was no Site, but: %+v, %v", rev, got, err)
			}
		}
	}
}

func historyGone(b *bench) {
	one := b.open()
	old := b.site(one, hq).Revision
	now := b.provider(one, "vc-1").Revision
	b.Compact(b.T)
	st := b.open()
	for _, rev := range []farm.Revision{old, now + 1000} {
		if p, err := st.At(b.ctx(), hq, rev); !errors.Is(err, store.ErrGone) {
			b.Errorf("at %d: %+v, %v; want gone", rev, p, err)
		}
	}
	if p := b.at(st, now); len(p.Providers) != 1 {
		b.Errorf("now: %+v", p)
	}
}

func atomicViews(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq, "cb-1")
	s := b.register(one, hq, "cb-1")
	term := b.elect(s)
	const rounds = 60
	torn := make(chan string, 1)
	watched := make(chan struct{})
	ctx := b.ctx()
	go func() {
		defer close(watched)
		v := two.Latest()
		for {
			p := v.Sites[hq]
			if p != nil && p.Seats.Revision != 0 {
				n := p.Seats.Value.Epoch
				x, y := p.Owners["vc-1"].Value.Epoch, p.Owners["vc-2"].Value.Epoch
				if uint64(x) != n || uint64(y) != n || len(p.Events) != int(n)*2 {
					select {
					case torn <- cmp.Diff([]uint64{n, n, n * 2}, []uint64{uint64(x), uint64(y), uint64(len(p.Events))}):
					default:
					}
				}
				if n == rounds {
					return
				}
			}
			var err error
			if v, err = two.Wait(ctx, v.Revision); err != nil {
				return
			}
		}
	}()
	for n := uint64(1); n <= rounds; n++ {
		p := b.current(one, hq)
		seats := farm.Seats{Epoch: n}
		var ds []farm.Decision
		for _, id := range []farm.ProviderID{"vc-1", "vc-2"} {
			d := give(id, p.Owners[id], life("cb-1", s))
			d.Event = &farm.Event{Message: "given"}
			ds = append(ds, d)
		}
		b.must(term.Apply(ctx, p.Seats, &seats, nil, ds))
	}
	<-watched
	select {
	case diff := <-torn:
		b.Errorf("a view held half a transaction: %s", diff)
	default:
	}
}

func monotonicViews(b *bench) {
	one, two := b.open(), b.open()
	first := b.site(one, hq, "cb-1")
	copied := *first
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for range 25 {
				increment(b, one)
			}
		})
	}
	ctx := b.ctx()
	v := two.Latest()
	for v.Sites[hq] == nil || v.Sites[hq].Site.Value.MaxParallelMoves < farm.DefaultMaxParallelMoves+100 {
		next, err := two.Wait(ctx, v.Revision)
		b.must(err)
		if next.Revision < v.Revision {
			b.Errorf("after %d came %d", v.Revision, next.Revision)
		}
		for id, p := range next.Sites {
			if p.Revision != next.Revision {
				b.Errorf("Site %s at %d in the view at %d", id, p.Revision, next.Revision)
			}
		}
		v = next
	}
	writers.Wait()
	b.same("the first picture", &copied, first)
}

func rootToken(b *bench) {
	one, two := b.open(), b.open()
	created := make([]bool, 16)
	var wg sync.WaitGroup
	for i := range created {
		wg.Go(func() {
			st := []store.Store{one, two}[i%2]
			ok, err := st.CreateRootToken(b.ctx(), store.TokenHash([]byte{byte('a' + i)}), store.Token{Name: "root", CreatedAt: time.Now()})
			if err != nil {
				b.Error(err)
			}
			created[i] = ok
		})
	}
	wg.Wait()
	if n := len(slices.DeleteFunc(created, func(ok bool) bool { return !ok })); n != 1 {
		b.Errorf("%d of the callers were told that theirs was stored", n)
	}
	v, err := two.Current(b.ctx())
	b.must(err)
	if len(v.Tokens) != 1 {
		b.Errorf("tokens: %v", v.Tokens)
	}
	for _, t := range v.Tokens {
		if t.Name != "root" || t.CreatedAt.IsZero() {
			b.Errorf("token: %+v", t)
		}
	}
}

func (b *bench) at(st store.Store, rev farm.Revision) *farm.Picture {
	b.Helper()
	p, err := st.At(b.ctx(), hq, rev)
	b.must(err)
	return p
}

// same compares pictures; empty and missing maps are the same.
func (b *bench) same(what string, want, got *farm.Picture) {
	b.Helper()
	if diff := cmp.Diff(tidy(want), tidy(got)); diff != "" {
		b.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func tidy(p *farm.Picture) *farm.Picture {
	if p == nil {
		return nil
	}
	q := *p
	q.Revision = 0 // a picture made later of the same state is the same
	q.Brokers = orNil(q.Brokers)
	q.Providers = orNil(q.Providers)
	q.Presence = orNil(q.Presence)
	q.Owners = orNil(q.Owners)
	q.Reports = orNil(q.Reports)
	q.Hosts = orNil(q.Hosts)
	if len(q.Events) == 0 {
		q.Events = nil
	}
	return &q
}

func orNil[K comparable, V any](m map[K]V) map[K]V {
	if len(m) == 0 {
		return nil
	}
	return m
}

var _ testing.TB = (*bench)(nil)
