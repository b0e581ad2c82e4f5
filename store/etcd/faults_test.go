package etcd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/goleak"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// put stores a Site with so many parallel moves, to have something to tell apart.
func put(t *testing.T, st store.Store, moves int) *farm.Picture {
	t.Helper()
	p, err := st.Edit(within(t, 10*time.Second), "hq", func(*farm.Picture) (store.Change, error) {
		s := farm.NewSite("hq")
		s.MaxParallelMoves = moves
		return store.Change{PutSite: &s}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func shows(t *testing.T, st store.Store, moves int) {
	t.Helper()
	ctx := within(t, 10*time.Second)
	for v := st.Latest(); v.Sites["hq"] == nil || v.Sites["hq"].Site.Value.MaxParallelMoves != moves; {
		var err error
		if v, err = st.Wait(ctx, v.Revision); err != nil {
			t.Fatalf("waiting for %d: %v", moves, err)
		}
	}
}

func TestTheViewRecoversFromACompactionItMissed(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	m := newMemory(t, srv)
	st := m.open(t)
	put(t, st, 1)

	direct, err := etcd.Dial(etcd.DialConfig{Endpoints: srv.Direct()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = direct.Close() }()
	other, err := etcd.New(etcd.Config{Client: direct, Prefix: m.prefix})
	if err != nil {
		t.Fatal(err)
	}
	run(t, other)
	shows(t, other, 1)
	srv.Cut()
	for i := range 20 {
		put(t, other, 100+i)
	}
	(&memory{raw: direct}).compact(t)
	srv.Uncut()
	shows(t, st, 119)
	put(t, st, 3)
}

func TestTheViewRecoversWhenEtcdHasBeenAway(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	st := newMemory(t, srv).open(t)
	put(t, st, 1)
	srv.Stop()
	time.Sleep(3 * time.Second) // long enough for every backoff to have grown
	if err := srv.Restart(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	put(t, st, 2)
	took := time.Since(start)
	t.Logf("recovered in %v", took)
	if took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestAFrozenEtcdIsNoticedAndLeftBehind(t *testing.T) {
	t.Parallel()
	all := etcdtest.StartCluster(t, 3)
	var endpoints []string
	for _, s := range all {
		endpoints = append(endpoints, s.Endpoints()...)
	}
	client, err := etcd.Dial(etcd.DialConfig{Endpoints: endpoints})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	st, err := etcd.New(etcd.Config{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	run(t, st)
	put(t, st, 1)
	s, err := st.Register(within(t, 5*time.Second), "hq", farm.Presence{Broker: "cb-1"}, 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for i, member := range all {
		if i > 0 {
			all[i-1].Freeze(false)
		}
		member.Freeze(true)
		var longest time.Duration
		for range 6 {
			start := time.Now()
			if err := s.Renew(within(t, 3*time.Second)); err != nil {
				t.Fatalf("renewal with %d frozen: %v", i, err)
			}
			if _, err := st.Current(within(t, 10*time.Second)); err != nil {
				t.Fatalf("current with %d frozen: %v", i, err)
			}
			longest = max(longest, time.Since(start))
		}
		t.Logf("member %d frozen: at most %v", i, longest)
	}
	all[len(all)-1].Freeze(false)

	if h := st.Health(within(t, 3*time.Second)); len(h.Members) != 3 || !h.Answers {
		t.Errorf("health: %+v", h)
	}
}

func TestACoordinatorsWriteSurvivesTheLossOfEtcdsLeader(t *testing.T) {
	t.Parallel()
	all := etcdtest.StartCluster(t, 3)
	var endpoints []string
	for _, s := range all {
		endpoints = append(endpoints, s.Endpoints()...)
	}
	client, err := etcd.Dial(etcd.DialConfig{Endpoints: endpoints})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	st, err := etcd.New(etcd.Config{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	run(t, st)
	put(t, st, 1)
	for _, member := range all {
		if member.Leads() {
			member.Stop()
			break
		}
	}
	start := time.Now()
	for moves := 2; ; {
		_, err := st.Edit(within(t, 10*time.Second), "hq", func(p *farm.Picture) (store.Change, error) {
			s := p.Site.Value
			s.MaxParallelMoves = moves
			return store.Change{PutSite: &s}, nil
		})
		if err == nil {
			break
		}
		if !errors.Is(err, store.ErrUnavailable) || time.Since(start) > 10*time.Second {
			t.Fatal(err)
		}
	}
	t.Logf("stored after %v", time.Since(start))
	h := st.Health(within(t, 3*time.Second))
	if !h.Answers || h.Problem == "" {
		t.Errorf("health with a member gone: %+v", h)
	}
}

func TestWritesOfOthersInTheSameEtcdHoldNothingUp(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	st := m.open(t)
	put(t, st, 1)
	var longest time.Duration
	for i := range 50 {
		if _, err := m.raw.Put(t.Context(), "/somebody/else", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := st.Current(within(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
		longest = max(longest, time.Since(start))
	}
	t.Logf("at most %v", longest)
	if longest > time.Second {
		t.Errorf("a current view took %v", longest)
	}
}

func TestAFullEtcdSaysSoAndKeepsLeasesAlive(t *testing.T) {
	t.Parallel()
	m := newMemory(t, etcdtest.StartWith(t, func(c *embed.Config) { c.QuotaBackendBytes = 4 << 20 }))
	m.sealer = nil
	st := m.open(t)
	put(t, st, 1)
	s, err := st.Register(within(t, 5*time.Second), "hq", farm.Presence{Broker: "cb-1"}, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; !errors.Is(err, rpctypes.ErrNoSpace); i++ {
		_, err = m.raw.Put(within(t, 10*time.Second), fmt.Sprint("/ballast/", i%40), strings.Repeat("x", 256<<10))
	}
	_, err = st.Edit(within(t, 10*time.Second), "hq", func(p *farm.Picture) (store.Change, error) {
		return store.Change{Events: []farm.Event{{Message: strings.Repeat("x", 1000)}}}, nil
	})
	if !errors.Is(err, store.ErrFull) {
		t.Errorf("edit: %v, want full", err)
	}
	if err := s.Renew(within(t, 5*time.Second)); err != nil {
		t.Errorf("renew: %v", err)
	}
	h := st.Health(within(t, 5*time.Second))
	if len(h.Alarms) != 1 || h.Alarms[0] != "NOSPACE" || !strings.Contains(h.Problem, "NOSPACE") || h.Quota != 4<<20 || h.Size == 0 {
		t.Errorf("health: %+v", h)
	}
	if err := s.Close(within(t, 5*time.Second)); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestWhatANewerVersionHasWrittenIsRefused(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	st := m.open(t)
	put(t, st, 1)
	kv, err := m.raw.Get(t.Context(), m.prefix+"format")
	if err != nil || len(kv.Kvs) != 1 || string(kv.Kvs[0].Value) != `{"version":1}` {
		t.Fatalf("format: %v, %v", kv, err)
	}
	fresh := newMemory(t, m.srv)
	if _, err := fresh.raw.Put(t.Context(), fresh.prefix+"format", `{"version":2}`); err != nil {
		t.Fatal(err)
	}
	refused, err := etcd.New(etcd.Config{Client: fresh.raw, Prefix: fresh.prefix})
	if err != nil {
		t.Fatal(err)
	}
	if err := refused.Run(within(t, 10*time.Second)); !errors.Is(err, store.ErrFormat) {
		t.Errorf("run: %v, want a format error", err)
	}
}

func TestAValueThatCannotBeReadHidesNothingElse(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	st := m.open(t)
	put(t, st, 1)
	for _, key := range []string{"providers/hq/bad", "seats/hq", "events/hq/1", "hosts/hq/vc-1/%zz", "unheard/of", "unheard/of/it/at/all", "odd"} {
		if _, err := m.raw.Put(t.Context(), m.prefix+key, "{not json"); err != nil {
			t.Fatal(err)
		}
	}
	put(t, st, 2)
	for _, st := range []store.Store{st, m.open(t)} {
		shows(t, st, 2)
		if p := st.Latest().Sites["hq"]; len(p.Providers)+len(p.Events)+len(p.Hosts) != 0 {
			t.Errorf("picture: %+v", p)
		}
	}
}

func TestSecretsNeedAKeyset(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	with := m.open(t)
	put(t, with, 1)
	secret := "s"
	store1 := func(st store.Store) error {
		_, err := st.Edit(within(t, 5*time.Second), "hq", func(*farm.Picture) (store.Change, error) {
			return store.Change{PutProvider: &farm.Provider{ID: "vc-1"}, Secret: &secret}, nil
		})
		return err
	}
	if err := store1(with); err != nil {
		t.Fatal(err)
	}
	m.sealer = nil
	without := m.open(t)
	if err := store1(without); !errors.Is(err, store.ErrSecretKey) {
		t.Errorf("stored without a keyset: %v", err)
	}
	if got, err := without.Secret(within(t, 5*time.Second), "hq", "vc-1"); !errors.Is(err, store.ErrSecretKey) {
		t.Errorf("read without a keyset: %q, %v", got, err)
	}
	keyset, err := store.GenerateKeyset()
	if err != nil {
		t.Fatal(err)
	}
	if m.sealer, err = store.NewSealer(keyset); err != nil {
		t.Fatal(err)
	}
	other := m.open(t)
	if got, err := other.Secret(within(t, 5*time.Second), "hq", "vc-1"); !errors.Is(err, store.ErrSecretKey) {
		t.Errorf("read with another keyset: %q, %v", got, err)
	}
}

func TestARegistrationGivenUpLeavesNoLease(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	st := m.open(t)
	put(t, st, 1)
	first, err := st.Register(within(t, 5*time.Second), "hq", farm.Presence{Broker: "cb-1"}, 60*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Millisecond, cancel)
		if s, err := st.Register(ctx, "hq", farm.Presence{Broker: "cb-2"}, 60*time.Second); err == nil {
			if err := s.Close(within(t, 5*time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := st.Register(ctx, "hq", farm.Presence{Broker: "cb-1"}, 60*time.Second); err == nil {
			t.Fatal("registered twice")
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left, err := m.raw.Leases(t.Context())
		if err == nil && len(left.Leases) == 1 {
			break
		}
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("leases: %+v, %v", left, err)
		}
	}
	if err := first.Close(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
}

func TestAnEtcdThatTakesItsTimeIsWaitedFor(t *testing.T) {
	t.Parallel()
	m := newMemory(t, etcdtest.Start(t))
	client, err := etcd.Dial(etcd.DialConfig{Endpoints: []string{"http://" + lagging(t, m.srv.Addr(), 600*time.Millisecond)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	st, err := etcd.New(etcd.Config{Client: client, Prefix: m.prefix})
	if err != nil {
		t.Fatal(err)
	}
	run(t, st)
	if _, err := st.Wait(within(t, 20*time.Second), 0); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := st.Current(within(t, 3*time.Second)); err != nil {
			t.Errorf("within the limit of a request: %v", err)
		}
	}
}

// lagging returns the address of a way to a server whose answers all come late.
func lagging(t *testing.T, to string, by time.Duration) string {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			server, err := new(net.Dialer).DialContext(context.Background(), "tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
			go copyLate(client, server, by)
		}
	}()
	return ln.Addr().String()
}

// copyLate passes on what it reads so much later, and as fast as it came.
func copyLate(to io.WriteCloser, from io.Reader, by time.Duration) {
	type piece struct {
		due  time.Time
		data []byte
	}
	pieces := make(chan piece, 10_000)
	go func() {
		defer func() { _ = to.Close() }()
		for p := range pieces {
			time.Sleep(time.Until(p.due))
			_, _ = to.Write(p.data)
		}
	}()
	defer close(pieces)
	for {
		buf := make([]byte, 32*1024)
		n, err := from.Read(buf)
		if n > 0 {
			pieces <- piece{time.Now().Add(by), buf[:n]}
		}
		if err != nil {
			return
		}
	}
}

// A server whose View stands still is refused by etcd itself, not by what it
// remembers.
func TestALostSessionIsRefusedThoughItsServerHasNotSeenIt(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	st, err := etcd.New(etcd.Config{Client: dial(t, m.srv), Prefix: m.prefix})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- st.Run(ctx) }()
	put(t, st, 1)
	if _, err := st.Edit(t.Context(), "hq", func(*farm.Picture) (store.Change, error) {
		return store.Change{PutProvider: &farm.Provider{ID: "vc-1"}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	var sessions []store.Session
	for _, id := range []farm.BrokerID{"cb-1", "cb-2"} {
		s, err := st.Register(t.Context(), "hq", farm.Presence{Broker: id}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s)
	}
	s := sessions[0]
	record := func(releasing bool) farm.Ownership {
		o := farm.Ownership{
			Broker: "cb-1", Incarnation: s.Incarnation(), Epoch: 1,
			Target: "cb-2", TargetIncarnation: sessions[1].Incarnation(),
		}
		if releasing {
			o = farm.Ownership{Releasing: "cb-1", ReleasingIncarnation: s.Incarnation(), Epoch: 1}
		}
		return o
	}
	term, err := sessions[1].Campaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := term.Apply(t.Context(), farm.Stored[farm.Seats]{}, nil, nil, []farm.Decision{
		{Provider: "vc-1", Next: record(false)}, {Provider: "vc-2", Next: record(true)},
	}); err != nil {
		t.Fatal(err)
	}
	p := st.Latest().Sites["hq"]
	if err := sessions[1].Handover(t.Context(), "vc-1", p.Owners["vc-1"]); !errors.Is(err, store.ErrConflict) {
		t.Errorf("handover by who is not the owner: %v", err)
	}
	if err := sessions[1].Close(t.Context()); err != nil { // so that cb-1 could be elected
		t.Fatal(err)
	}
	for v := st.Latest(); v.Sites["hq"].Coordinator.Broker != ""; {
		if v, err = st.Wait(t.Context(), v.Revision); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	// Its presence is deleted, and its lease lives on.
	key := m.prefix + "presence/hq/cb-1"
	if _, err := m.raw.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	was := st.Latest().Sites["hq"].Owners
	before := m.contents(t)
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"report", func() error {
			return s.Report(t.Context(), "vc-1", was["vc-1"], store.Update{Report: &farm.Report{}, Hosts: []farm.Host{{ID: "h"}}})
		}},
		{"handover", func() error { return s.Handover(t.Context(), "vc-1", was["vc-1"]) }},
		{"release", func() error { return s.Release(t.Context(), "vc-2", was["vc-2"]) }},
		{"announce", func() error { return s.Announce(t.Context(), farm.Presence{}) }},
		{"campaign", func() error { _, err := s.Campaign(t.Context()); return err }},
	} {
		s = etcd.Forgetful(s) // it has not been told either
		if err := c.call(); !errors.Is(err, store.ErrLost) {
			t.Errorf("%s: %v, want lost", c.name, err)
		}
	}
	if after := m.contents(t); !bytes.Equal(before, after) {
		t.Errorf("it has written:\n%s\n%s", before, after)
	}
}

func TestNothingIsLeftRunning(t *testing.T) {
	srv := etcdtest.Start(t)
	var ignore goleak.Option
	for round, away := range []bool{false, false, true} {
		if round == 1 { // etcd itself has started all it starts
			ignore = goleak.IgnoreCurrent()
		}
		client, err := etcd.Dial(etcd.DialConfig{Endpoints: srv.Endpoints()})
		if err != nil {
			t.Fatal(err)
		}
		st, err := etcd.New(etcd.Config{Client: client})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- st.Run(ctx) }()
		put(t, st, 1)
		s, err := st.Register(within(t, 5*time.Second), "hq", farm.Presence{Broker: "cb-1"}, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Campaign(within(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
		if away {
			srv.Stop()
		} else if err := s.Close(within(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("etcd away %v: stopping took %v", away, took)
		}
		if round > 0 {
			goleak.VerifyNone(t, ignore)
		}
	}
}
