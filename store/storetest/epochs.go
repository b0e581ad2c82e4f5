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
	{"what has no record begins above all that were raised", epochsFloor},
	{"epochs cannot be raised by nothing, nor so far that they come round", func(b *bench) {
		st := b.open()
		for _, by := range []farm.Epoch{0, store.MaxRaise + 1, 1<<64 - 1} {
			if _, err := st.RaiseEpochs(b.ctx(), by); err == nil {
				b.Errorf("no error by %d", by)
			}
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

// The floor is the Farm's: it is there without any record, and with every Site.
func epochsFloor(b *bench) {
	st := b.open()
	floor := func(by, want farm.Epoch) {
		b.Helper()
		_, err := st.RaiseEpochs(b.ctx(), by)
		b.must(err)
		v, err := b.open().Current(b.ctx())
		b.must(err)
		if v.EpochFloor != want {
			b.Errorf("the floor is %d, want %d", v.EpochFloor, want)
		}
		for id, p := range v.Sites {
			if p.EpochFloor != want {
				b.Errorf("that of %s is %d, want %d", id, p.EpochFloor, want)
			}
		}
	}
	floor(5, 5)
	b.site(st, hq, "cb-1")
	if p := b.current(st, hq); p.EpochFloor != 5 {
		b.Errorf("a new Site's is %d", p.EpochFloor)
	}
	s := b.register(st, hq, "cb-1")
	d := give("vc-1", farm.Stored[farm.Ownership]{}, life("cb-1", s))
	d.Next.Epoch = 40
	b.apply(st, b.elect(s), d)
	b.must(s.Close(b.ctx()))
	floor(1000, 1040)
	floor(1, 1041)
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
