package etcd_test

import (
	"context"
	"errors"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

// A restored etcd counts its revisions from a lower one: it would let a watch
// and whoever waits for a later revision wait for it.
func TestAnEtcdThatWasPutBackIsTheSameFarm(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	m := newMemory(t, srv)
	st := m.open(t)
	put(t, st, 1)
	restore, err := srv.Save()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		put(t, st, 100+i)
	}
	s, err := st.Register(within(t, 10*time.Second), "hq", farm.Presence{Broker: "cb-1"}, 60*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	after := st.Latest().Revision
	waited := make(chan error, 1)
	go func() {
		_, err := st.Wait(within(t, 20*time.Second), after)
		waited <- err
	}()
	if err := restore(); err != nil {
		t.Fatal(err)
	}

	start := time.Now()
	v, err := st.Current(within(t, 10*time.Second))
	if err != nil || v.Revision >= after || v.Sites["hq"].Site.Value.MaxParallelMoves != 1 {
		t.Fatalf("current: %+v, %v", v, err)
	}
	t.Logf("the view shows what etcd holds after %v", time.Since(start))
	if err := <-waited; err != nil {
		t.Errorf("who waited for a change is not told: %v", err)
	}
	if _, err := st.Wait(within(t, 5*time.Second), after); err != nil {
		t.Errorf("who comes with what was seen before is not told: %v", err)
	}
	if _, err := st.Wait(within(t, 500*time.Millisecond), st.Latest().Revision); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("who has seen what there is does not wait: %v", err)
	}
	if err := s.Renew(within(t, 5*time.Second)); !errors.Is(err, store.ErrLost) {
		t.Errorf("the life goes on: %v", err)
	}
	put(t, st, 2)
	next, err := st.Register(within(t, 10*time.Second), "hq", farm.Presence{Broker: "cb-1"}, 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := next.Campaign(within(t, 10*time.Second)); err != nil {
		t.Error(err)
	}
}

// The life began before what etcd was put back to, so its lease is there again.
// What it has done since is not.
func TestALifeDoesNotOutlastThatEtcdIsPutBack(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	m := newMemory(t, srv)
	st := m.open(t)
	put(t, st, 1)
	s, err := st.Register(within(t, 10*time.Second), "hq", farm.Presence{Broker: "cb-1"}, 60*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	restore, err := srv.Save()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		put(t, st, 100+i)
	}
	if err := s.Renew(within(t, 10*time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	if err := s.Renew(within(t, 10*time.Second)); !errors.Is(err, store.ErrLost) {
		t.Errorf("it is renewed: %v", err)
	}
}

func TestAFarmThatIsDeletedIsMissedAtOnce(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	st := m.open(t)
	put(t, st, 1)
	s, err := st.Register(within(t, 5*time.Second), "hq", farm.Presence{Broker: "cb-1"}, 60*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.raw.Delete(t.Context(), m.prefix, clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Current(within(t, 5*time.Second)); !errors.Is(err, store.ErrOtherFarm) {
		t.Errorf("current: %v", err)
	}
	if err := s.Renew(within(t, 5*time.Second)); !errors.Is(err, store.ErrLost) {
		t.Errorf("its lease lives, and so does the broker: %v", err)
	}
	if st.Latest().Sites["hq"] == nil {
		t.Error("what was known is forgotten")
	}
}

func TestAFarmOfAVersionThatGaveNoNamesGetsOne(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	put(t, m.open(t), 1)
	if _, err := m.raw.Delete(t.Context(), m.prefix+"farm"); err != nil {
		t.Fatal(err)
	}
	first, second := m.open(t), m.open(t)
	shows(t, first, 1)
	put(t, first, 2)
	shows(t, second, 2)
	got, err := m.raw.Get(t.Context(), m.prefix+"farm")
	if err != nil || len(got.Kvs) != 1 {
		t.Errorf("its name: %v, %v", got, err)
	}
}
