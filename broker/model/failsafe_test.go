package model

import "testing"

var (
	ab  = set(0).with(0).with(1)
	abc = ab.with(2)

	three = failsafe{word: 2, margin: 1, faults: 3, orders: 1, electors: ab}
)

func (m failsafe) upTo(faults, orders int8) failsafe {
	m.faults, m.orders = faults, orders
	return m
}

func (m failsafe) decidedBy(s set) failsafe {
	m.electors = s
	return m
}

func TestFailsafe(t *testing.T) {
	t.Run("two may decide, four faults", func(t *testing.T) { finds(t, three.upTo(4, 1), "") })
	t.Run("two may decide, two decisions", func(t *testing.T) { finds(t, three.upTo(3, 2), "") })
	t.Run("three may decide", func(t *testing.T) { finds(t, three.decidedBy(abc), "") })
}

func TestEachGuardOfFailsafeIsNeeded(t *testing.T) {
	for _, g := range []struct {
		guard string
		m     failsafe
		lets  lets
	}{
		{"who has promised decides only when that is over", three, lets{promise: true}},
		{"who starts waits for what the process before may have promised", three.upTo(4, 1), lets{began: true}},
		{"only one of those who served last decides", three, lets{electors: true}},
		{"a promise is given only to who knows the same verdict", three, lets{verdict: true}},
		{"all who may decide must promise", three.decidedBy(abc), lets{everybody: true}},
		{"who decides promises nothing meanwhile", three, lets{deciding: true}},
		{"who has decided promises nothing until its View shows that", three, lets{shown: true}},
		{"who asks promises itself too", three.upTo(3, 2), lets{itself: true}},
		{"a promise counts from when it was asked for", three, lets{askTime: true}},
		{"who relies on promises stops a margin before they end", three, lets{margin: true}},
	} {
		t.Run(g.guard, func(t *testing.T) {
			g.m.lets = g.lets
			finds(t, g.m, "two act")
		})
	}
}

// Without one of these nobody acts beside another all the same, as far as is
// looked.
func TestGuardsOfFailsafeThatAreNotNeeded(t *testing.T) {
	for _, g := range []struct {
		guard, because string
		m              failsafe
		lets           lets
	}{
		{"who has storage promises nothing",
			"it waits then before it decides; without this nobody ever could", three, lets{acked: true}},
		{"a promise is that of the life that was asked",
			"a new life waits before it decides", three, lets{life: true}},
		{"who has promised does not act for what it was given since",
			"who gave it was asked too; it helps if the operator turns failsafe off", three, lets{gained: true}},
		{"the transaction compares the term",
			"it compares the record, and who decides keeps its promise", three, lets{term: true}},
		{"the transaction compares the verdict",
			"who is replaced was seen gone, in a View later than any that it relies on", three.upTo(2, 2), lets{compare: true}},
	} {
		t.Run(g.guard, func(t *testing.T) {
			g.m.lets = g.lets
			finds(t, g.m, "")
			t.Log("not needed: " + g.because)
		})
	}
}
