package model

import "testing"

var (
	usual = protocol{ttl: 3, margin: 1}
	// short has the shortest times that keep their relations.
	short = protocol{ttl: 2, margin: 1}
)

func TestOwnership(t *testing.T) {
	t.Run("two brokers", func(t *testing.T) { finds(t, usual, "") })
	t.Run("and a third that coordinates", func(t *testing.T) {
		m := short
		m.third = true
		finds(t, m, "")
	})
}

func TestEachGuardOfOwnershipIsNeeded(t *testing.T) {
	for _, g := range []struct {
		guard   string
		without without
		want    string
	}{
		{"a broker stops acting a margin before its lease can end", without{margin: true}, "two act"},
		{"the permit counts from when the renewal was sent", without{sendTime: true}, "two act"},
		{"only whose life is gone is replaced", without{gone: true, goneCompare: true}, "two act"},
		{"the transaction compares the record", without{record: true}, "an epoch does not rise"},
		{"only the owner itself hands over", without{ownWord: true}, "two act"},
		{"it does so when none of its calls is under way", without{drained: true}, "two act"},
		{"who is releasing is waited for", without{releasing: true}, "two act"},
		{"the permit is asked before every call", without{check: true}, "two act"},
		{"the guard revokes the lease only of a dead process", without{death: true}, "two act"},
	} {
		t.Run(g.guard, func(t *testing.T) {
			m := short
			m.without = g.without
			finds(t, m, g.want)
		})
	}
}

// Without one of these nobody acts beside another all the same, and nobody waits
// for ever: it is a second guard, or spares useless writes.
func TestGuardsOfOwnershipThatAreNotNeeded(t *testing.T) {
	for _, g := range []struct {
		guard, because string
		without        without
	}{
		{"the transaction compares that the old life is gone",
			"a plan replaces only whom a View showed gone, and a life never comes back", without{goneCompare: true}},
		{"the transaction compares that the new life is there",
			"one that is gone is replaced again", without{targetCompare: true}},
		{"the transaction compares the term",
			"it compares the record, and every coordinator keeps the same rules", without{term: true}},
	} {
		t.Run(g.guard, func(t *testing.T) {
			m := short
			m.without = g.without
			finds(t, m, "")
			t.Log("not needed: " + g.because)
		})
	}
}

// What no guard of the protocol prevents: what the kernel still sends for a process
// that is dead. The guard revokes the lease at once.
func TestWhatADeadProcessHasSentMayArriveWhenAnotherActs(t *testing.T) {
	m := short
	m.bytesOfDead = true
	finds(t, m, "two act")
}
