package model

import (
	"testing"
	"time"
)

var usual = protocol{ttl: 3, margin: 1}

func TestOwnership(t *testing.T) {
	m := usual
	m.third = true
	began := time.Now()
	f := search(m)
	t.Log(f, time.Since(began))
	if f.fault != "" {
		t.Error("fault")
	}
}

func TestGuards(t *testing.T) {
	for _, g := range []struct {
		name    string
		without without
	}{
		{"margin", without{margin: true}},
		{"sendTime", without{sendTime: true}},
		{"gone", without{gone: true, goneCompare: true}},
		{"goneCompare", without{goneCompare: true}},
		{"record", without{record: true}},
		{"term", without{term: true}},
		{"targetCompare", without{targetCompare: true}},
		{"ownWord", without{ownWord: true}},
		{"drained", without{drained: true}},
		{"releasing", without{releasing: true}},
		{"check", without{check: true}},
		{"death", without{death: true}},
		{"others", without{others: true}},
	} {
		t.Run(g.name, func(t *testing.T) {
			m := usual
			m.without = g.without
			began := time.Now()
			f := search(m)
			t.Log(f.states, time.Since(began), f)
		})
	}
}
