package model

import (
	"testing"
	"time"
)


func TestFailsafe(t *testing.T) {
	for _, c := range [][3]int8{{3, 1, 3}, {3, 1, 7}, {3, 2, 3}, {4, 1, 3}} {
		began := time.Now()
		f := search(failsafe{word: 2, margin: 1, faults: c[0], orders: c[1], electors: set(c[2])})
		t.Log(c, f.states, time.Since(began))
		if f.fault != "" {
			t.Error(f)
		}
	}
}

func TestLets(t *testing.T) {
	for _, g := range []struct {
		name string
		lets lets
	}{
		{"promise", lets{promise: true}},
		{"began", lets{began: true}},
		{"electors", lets{electors: true}},
		{"verdict", lets{verdict: true}},
		{"compare", lets{compare: true}},
		{"everybody", lets{everybody: true}},
		{"gained", lets{gained: true}},
		{"deciding", lets{deciding: true}},
		{"shown", lets{shown: true}},
		{"acked", lets{acked: true}},
		{"life", lets{life: true}},
		{"itself", lets{itself: true}},
		{"term", lets{term: true}},
		{"askTime", lets{askTime: true}},
		{"margin", lets{margin: true}},
	} {
		t.Run(g.name, func(t *testing.T) {
			began := time.Now()
			f := search(failsafe{lets: g.lets, word: 2, margin: 1, faults: 3, orders: 1, electors: 3})
			t.Log(f.states, time.Since(began), f)
		})
	}
}
