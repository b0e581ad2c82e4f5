package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

var epochTests = []test{
	{"every epoch is raised, and nothing else changes", epochsRaised},
	{"epochs are raised when the last broker has gone", epochsWait},
	{"epochs are not raised while a broker is present", epochsKept},
	{"epochs cannot be raised by nothing", func(b *bench) {
		if _, err := b.open().RaiseEpochs(b.ctx(), 0); err == nil {
			b.Error("no error")
		}
	}},
}

// manyOwned is a Site whose Providers are all cb-1's.
func manyOwned(b *bench, providers int) (store.Store, store.Session) {
	b.Helper()
	st := b.open()
	b.site(st, hq, "cb-1")
	s := b.register(st, hq, "cb-1")
	var ds []farm.Decision
	for i := range providers {
		ds = append(ds, give(farm.ProviderID(fmt.Sprint("vc-", i)), farm.Stored[farm.Ownership]{}, life("cb-1", s)))
	}
	b.apply(st, b.elect(s), ds...)
	return st, s
}

func epochsRaised(b *bench) {
	const many = 300 // more than one transaction takes
	st, s := manyOwned(b, many)
	b.must(s.Close(b.ctx()))
	before := b.current(st, hq)
	n, err := st.RaiseEpochs(b.ctx(), 1000)
	b.must(err)
	after := b.current(st, hq)
	if n != many || len(after.Owners) != many {
		b.Errorf("raised %d of %d", n, len(after.Owners))
	}
	for id, o := range after.Owners {
		want := before.Owners[id].Value
		want.Epoch += 1000
		if o.Value != want {
			b.Fatalf("%s is %+v, want %+v", id, o.Value, want)
		}
	}
	if len(after.Events) != len(before.Events) || after.Seats.Revision != before.Seats.Revision {
		b.Error("something else has changed")
	}
}

func epochsKept(b *bench) {
	st, _ := manyOwned(b, 1)
	at := b.current(st, hq).Owners["vc-0"].Revision
	ctx, cancel := context.WithTimeout(b.ctx(), 200*time.Millisecond)
	defer cancel()
	if n, err := st.RaiseEpochs(ctx, 10); !errors.Is(err, context.DeadlineExceeded) || n != 0 {
		b.Errorf("raised %d, %v", n, err)
	}
	if b.current(st, hq).Owners["vc-0"].Revision != at {
		b.Error("a record was written")
	}
}

func epochsWait(b *bench) {
	st, s := manyOwned(b, 1)
	raised := make(chan error, 1)
	go func() {
		_, err := st.RaiseEpochs(b.ctx(), 5)
		raised <- err
	}()
	if o := b.current(st, hq).Owners["vc-0"]; o.Value.Epoch != 1 {
		b.Errorf("the epoch is %d while a broker is present", o.Value.Epoch)
	}
	b.must(s.Close(b.ctx()))
	b.must(<-raised)
	if o := b.current(st, hq).Owners["vc-0"]; o.Value.Epoch != 6 {
		b.Errorf("the epoch is %d", o.Value.Epoch)
	}
}
