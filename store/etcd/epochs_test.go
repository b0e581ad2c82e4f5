package etcd

import (
	"errors"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

// The View may be late: what counts is who is present when the records are written.
func TestABrokerThatAppearsEndsTheRaisingOfEpochs(t *testing.T) {
	var lines []line
	for _, l := range frozenLines(t) {
		if l.kind() != kindPresence && l.kind() != kindCoordinator {
			lines = append(lines, l)
		}
	}
	st := load(t, etcdtest.Start(t), lines)
	records, err := st.ownerRecords(t.Context())
	if err != nil || len(records) != 3 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	s, err := st.Register(t.Context(), "hq", farm.Presence{Broker: "cb-1"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.raise(t.Context(), records, 10); !errors.Is(err, store.ErrConflict) {
		t.Errorf("while a broker is present: %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := st.raise(t.Context(), records, 10); err != nil {
		t.Errorf("nobody is present: %v", err)
	}
	if err := st.raise(t.Context(), records, 10); !errors.Is(err, store.ErrConflict) {
		t.Errorf("records that have changed: %v", err)
	}
	if o := st.Latest().Sites["hq"].Owners["vc-1"].Value; o.Epoch != 52 {
		t.Errorf("epoch %d", o.Epoch)
	}
}
