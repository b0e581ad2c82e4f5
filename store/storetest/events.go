package storetest

import (
	"fmt"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

var eventTests = []test{
	{"events keep their order and have names of their own", eventOrder},
	{"a view holds the newest events and no more than the bound", eventBound},
	{"trimming keeps the newest", eventTrim},
}

func eventOrder(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq)
	for i := range 20 {
		var events []farm.Event
		for j := range 5 {
			events = append(events, farm.Event{Message: fmt.Sprint(i*5 + j)})
		}
		b.edit([]store.Store{one, two}[i%2], hq, store.Change{Events: events})
	}
	for _, st := range []store.Store{one, two, b.open()} {
		seen := map[string]bool{}
		var last farm.Revision
		p := b.current(st, hq)
		for i, e := range p.Events {
			if e.Message != fmt.Sprint(i) || e.Revision < last || seen[e.ID] || e.ID == "" {
				b.Errorf("event %d is %+v after revision %d", i, e, last)
			}
			seen[e.ID], last = true, e.Revision
		}
		if len(p.Events) != 100 {
			b.Errorf("%d events", len(p.Events))
		}
	}
}

func addEvents(b *bench, st store.Store, from, to int) {
	b.Helper()
	for from < to {
		var c store.Change
		for ; from < to && len(c.Events) < 300; from++ {
			c.Events = append(c.Events, farm.Event{Message: fmt.Sprint(from)})
		}
		b.edit(st, hq, c)
	}
}

func holdsEvents(b *bench, st store.Store, from, to int) {
	b.Helper()
	p := b.current(st, hq)
	if len(p.Events) != to-from {
		b.Fatalf("%d events, want %d to %d", len(p.Events), from, to)
	}
	for i, e := range p.Events {
		if e.Message != fmt.Sprint(from+i) {
			b.Fatalf("event %d is %+v", i, e)
		}
	}
}

func eventBound(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq)
	const n = store.EventsInView + 250
	addEvents(b, one, 0, n)
	for _, st := range []store.Store{one, two, b.open()} {
		holdsEvents(b, st, n-store.EventsInView, n)
	}
}

func eventTrim(b *bench) {
	one, two := b.open(), b.open()
	b.site(one, hq)
	term := b.elect(b.register(one, hq, "cb-1"))
	b.must(term.Trim(b.ctx(), 10))
	addEvents(b, one, 0, 330)
	b.must(term.Trim(b.ctx(), 500))
	holdsEvents(b, two, 0, 330)
	before := b.current(two, hq)
	b.must(term.Trim(b.ctx(), 40))
	addEvents(b, two, 330, 331)
	for _, st := range []store.Store{one, two, b.open()} {
		holdsEvents(b, st, 290, 331)
	}
	if len(before.Events) != 330 || before.Events[0].Message != "0" {
		b.Errorf("the picture before has changed")
	}
	b.must(term.Trim(b.ctx(), 0))
	holdsEvents(b, two, 0, 0)
}
