package etcd_test

import (
	"errors"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

// etcd was restored as it advises, while servers run: its revision goes up, and
// the life is there again as the snapshot has it.
func TestNoLifeOutlastsARestoreThatLiftsRevisions(t *testing.T) {
	t.Parallel()
	srv := etcdtest.Start(t)
	st := newMemory(t, srv).open(t)
	put(t, st, 1)
	const ttl = 3 * time.Second
	present, err := st.Register(within(t, 10*time.Second), "hq", farm.Presence{Broker: "cb-1"}, 60*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	restore, err := srv.SaveToLift(1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	later, err := st.Register(within(t, 10*time.Second), "hq", farm.Presence{Broker: "cb-2"}, ttl)
	if err != nil {
		t.Fatal(err)
	}
	put(t, st, 2)
	was := st.Latest().Revision
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	restored := time.Now()

	for range 20 {
		if err := present.Renew(within(t, 5*time.Second)); !errors.Is(err, store.ErrLost) {
			t.Fatalf("a life that is in the snapshot is renewed: %v", err)
		}
	}
	shows(t, st, 1)
	p := st.Latest().Sites["hq"]
	if st.Latest().Revision < was+900_000 || !p.Online("cb-1") || p.Online("cb-2") {
		t.Fatalf("what was restored: %+v", p)
	}
	if !present.Lost() || !later.Lost() {
		t.Error("a View of the restored Farm is there, and a life goes on")
	}
	for _, s := range []store.Session{present, later} {
		if err := s.Close(within(t, 5*time.Second)); err != nil {
			t.Error(err)
		}
	}
	next, err := st.Register(within(t, 20*time.Second), "hq", farm.Presence{Broker: "cb-2"}, ttl)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(restored); took < ttl {
		t.Errorf("a new life began %v after the restore: one elsewhere may not know of it yet", took)
	}
	if err := next.Renew(within(t, 5*time.Second)); err != nil {
		t.Errorf("the new life: %v", err)
	}
	if p := st.Latest().Sites["hq"]; !p.Online("cb-1") {
		t.Error("the life in the snapshot was ended before its lease")
	}
}
