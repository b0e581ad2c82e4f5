package etcd_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

// elected is a Farm with a Site, a broker that coordinates it, and a Provider.
func elected(t *testing.T) (m *memory, st *etcd.Store, s store.Session, term store.Term) {
	t.Helper()
	m = newMemory(t, etcdtest.Start(t))
	st = m.open(t)
	put(t, st, 1)
	s, err := st.Register(within(t, 5*time.Second), "hq", farm.Presence{Broker: "cb-1"}, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(within(t, 5*time.Second)) })
	if term, err = s.Campaign(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err = st.Edit(within(t, 5*time.Second), "hq", func(*farm.Picture) (store.Change, error) {
		return store.Change{PutBrokers: []farm.Broker{{ID: "cb-1", Enabled: true}}, PutProvider: &farm.Provider{ID: "vc-1", Enabled: true}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = term.Apply(within(t, 5*time.Second), farm.Stored[farm.Seats]{}, &farm.Seats{Armed: true}, nil,
		[]farm.Decision{{Provider: "vc-1", Next: farm.Ownership{Broker: "cb-1", Incarnation: s.Incarnation(), Epoch: 7}}})
	if err != nil {
		t.Fatal(err)
	}
	return m, st, s, term
}

func (m *memory) spoil(t *testing.T, key string) {
	t.Helper()
	if _, err := m.raw.Put(t.Context(), m.prefix+key, "{spoilt"); err != nil {
		t.Fatal(err)
	}
}

func picture(t *testing.T, st store.Store) *farm.Picture {
	t.Helper()
	v, err := st.Current(within(t, 5*time.Second))
	if err != nil || v.Sites["hq"] == nil {
		t.Fatalf("%v, %v", v, err)
	}
	return v.Sites["hq"]
}

// Who has read it goes on with it, and may store it again; who has not decides nothing.
func TestWhatCannotBeReadIsNotDeleted(t *testing.T) {
	m, st, s, term := elected(t)
	for _, key := range []string{"sites/hq", "brokers/hq/cb-1", "providers/hq/vc-1", "seats/hq", "owners/hq/vc-1", "presence/hq/cb-1"} {
		m.spoil(t, key)
	}
	p := picture(t, st)
	o := p.Owners["vc-1"]
	if !p.Brokers["cb-1"].Value.Enabled || !p.Providers["vc-1"].Value.Enabled || !p.Seats.Value.Armed || o.Value.Epoch != 7 || !p.Alive(o.Value.Owner()) {
		t.Errorf("the server that knew it shows %+v", p)
	}
	if d := p.Decidable(); d == nil || len(d.Providers) != 1 || len(p.Unreadable.Keys) != 6 || st.Latest().Whole() == nil {
		t.Errorf("%+v", p.Unreadable)
	}
	out := p.Restored(farm.Outcome{})
	if err := term.Apply(within(t, 5*time.Second), p.Seats, out.Seats, nil, out.Decisions); err != nil {
		t.Errorf("seats and owners are not stored again: %v", err)
	}
	if u := picture(t, st).Unreadable; u.Seats || len(u.Owners) != 0 || len(u.Keys) != 4 {
		t.Errorf("still unreadable: %+v", u)
	}
	if _, err := st.Edit(within(t, 5*time.Second), "hq", func(p *farm.Picture) (store.Change, error) {
		site := p.Site.Value
		site.Name = "anew"
		return store.Change{PutSite: &site}, nil
	}); err != nil {
		t.Errorf("what is known is not stored again: %v", err)
	}
	fresh := m.open(t)
	p = picture(t, fresh)
	if !p.Unreadable.Site || p.Decidable() != nil || p.Presence["cb-1"].Incarnation != s.Incarnation() {
		t.Errorf("a server that never knew it: %+v", p)
	}
}

// It neither waits for what never comes nor replaces it.
func TestAnEditOfWhatCannotBeReadSaysSo(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	m.spoil(t, "sites/hq")
	m.spoil(t, "brokers/b1/cb-1")
	st := m.open(t)
	began := time.Now()
	_, err := st.Edit(within(t, 5*time.Second), "hq", func(*farm.Picture) (store.Change, error) {
		return store.Change{PutSite: &farm.Site{ID: "hq"}}, nil
	})
	if !errors.Is(err, store.ErrUnreadable) || !strings.Contains(err.Error(), "sites/hq") || time.Since(began) > 3*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

func TestOneProviderThatCannotBeReadStopsNoOther(t *testing.T) {
	m, st, _, _ := elected(t)
	if _, err := st.Edit(within(t, 5*time.Second), "hq", func(*farm.Picture) (store.Change, error) {
		return store.Change{PutProvider: &farm.Provider{ID: "vc-2", Enabled: true}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	m.spoil(t, "owners/hq/vc-1")
	m.spoil(t, "epochs")
	p := picture(t, m.open(t))
	if d := p.Decidable(); d == nil || len(d.Providers) != 0 {
		t.Errorf("a first epoch may be given while the floor is not known: %+v", p.Unreadable)
	}
	if _, err := m.raw.Delete(t.Context(), m.prefix+"epochs"); err != nil {
		t.Fatal(err)
	}
	p = picture(t, m.open(t))
	if d := p.Decidable(); d == nil || len(d.Providers) != 1 || len(d.Owners) != 0 || p.Unreadable.Site {
		t.Errorf("%+v", p.Unreadable)
	}
}

// A list is no watch: a record that was missed may have had a higher epoch.
func TestARecordThatWasMissedIsNotKnown(t *testing.T) {
	m, st, _, _ := elected(t)
	m.spoil(t, "owners/hq/vc-1")
	if u := picture(t, st).Unreadable; !u.Owners["vc-1"] {
		t.Fatalf("%+v", u)
	}
	m.srv.Stop()
	if err := m.srv.Restart(); err != nil {
		t.Fatal(err)
	}
	if p := picture(t, st); !p.Unreadable.Owners["vc-1"] || p.Owners["vc-1"].Value.Epoch != 7 {
		t.Errorf("it is forgotten when everything is listed again: %+v", p.Unreadable)
	}
}

// A record without a lease would stay for ever.
func TestACoordinatorThatIsGoneIsReplaced(t *testing.T) {
	m, st, s, _ := elected(t)
	for _, value := range []string{`{"broker":"cb-1"}`, `{"broker":"cb-9"}`, `{spoilt`} {
		if _, err := m.raw.Put(t.Context(), m.prefix+"coordinator/hq", value); err != nil {
			t.Fatal(err)
		}
		if value == `{"broker":"cb-1"}` {
			if err := s.Close(within(t, 5*time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		if c := picture(t, st).Coordinator; c.Broker != "" {
			t.Errorf("%s: %+v coordinates", value, c)
		}
		next, err := st.Register(within(t, 5*time.Second), "hq", farm.Presence{Broker: "cb-2"}, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := next.Campaign(within(t, 3*time.Second)); err != nil {
			t.Errorf("%s: %v", value, err)
		}
		if c := picture(t, st).Coordinator; c.Broker != "cb-2" {
			t.Errorf("%s: %+v coordinates", value, c)
		}
		if err := next.Close(within(t, 5*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEpochsThatCannotBeReadAreRaisedAboveAll(t *testing.T) {
	m, st, s, _ := elected(t)
	if err := s.Close(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	m.spoil(t, "owners/hq/vc-0")
	if n, err := st.RaiseEpochs(within(t, 5*time.Second), 10); err != nil || n != 2 {
		t.Fatalf("a record: %d, %v", n, err)
	}
	v, err := st.Current(within(t, 5*time.Second))
	if err != nil || v.Sites["hq"].Owners["vc-1"].Value.Epoch != 17 || v.EpochFloor != 7+store.MaxRaise || v.Whole() != nil {
		t.Errorf("%+v, %v", v, err)
	}
	m.spoil(t, "epochs")
	fresh := m.open(t)
	if _, err := fresh.RaiseEpochs(within(t, 5*time.Second), 10); err != nil {
		t.Fatalf("the floor: %v", err)
	}
	if v, err := fresh.Current(within(t, 5*time.Second)); err != nil || v.EpochFloor != 7+2*store.MaxRaise || v.Whole() != nil {
		t.Errorf("%+v, %v", v, err)
	}
}
