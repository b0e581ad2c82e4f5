package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/server"
)

// A slice of `make faults` that is short enough for every day; and one of what
// lasts too long to be drawn in it.
func TestNoFaultMakesTwoOwners(t *testing.T) {
	harm(t, "-minutes=0.8", "-faults=30", "-seed=4")
}

func TestAProviderIsFollowed(t *testing.T) {
	harm(t, "-only=unreachable", "-faults=1", "-seed=1")
}

func harm(t *testing.T, args ...string) {
	t.Helper()
	if why := missing(); why != "" {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI must run this, and this machine lacks: %s", why)
		}
		t.Skipf("skipped: the fault lab; this machine lacks: %s", why)
	}
	said := &strings.Builder{}
	err := run(t.Context(), append(args, "-json="+filepath.Join(t.TempDir(), "faults.json")), said)
	t.Log(said.String())
	if err != nil {
		t.Error(err)
	}
}

func call(at int64, broker string, epoch uint64) server.Call {
	return server.Call{At: at, Site: "hq", Broker: farm.BrokerID(broker), Incarnation: 1, Provider: "pcs-1", Epoch: farm.Epoch(epoch)}
}

func TestOverlaps(t *testing.T) {
	for _, c := range []struct {
		name  string
		calls []server.Call
		want  int
	}{
		{"one after the other", []server.Call{call(1, "cb-1", 1), call(2, "cb-1", 1), call(3, "cb-2", 2), call(4, "cb-2", 2)}, 0},
		{"the old owner once more", []server.Call{call(1, "cb-1", 1), call(3, "cb-2", 2), call(4, "cb-1", 1), call(5, "cb-1", 1)}, 1},
		{"two with the same epoch", []server.Call{call(1, "cb-1", 2), call(2, "cb-2", 2)}, 1},
		{"there and back", []server.Call{call(1, "cb-1", 1), call(2, "cb-2", 2), call(3, "cb-1", 3)}, 0},
		{"two owners back", []server.Call{call(1, "cb-1", 1), call(2, "cb-2", 2), call(3, "cb-3", 3), call(4, "cb-2", 2), call(5, "cb-1", 1)}, 2},
	} {
		if got := overlaps(c.calls); len(got) != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestTakeovers(t *testing.T) {
	calls := []server.Call{call(1, "cb-1", 1), call(5, "cb-1", 1), call(9, "cb-2", 2), call(30, "cb-1", 3)}
	d := done{Kind: "kill", begin: 4, end: 20, alone: true, fault: fault{brokers: []string{"cb-1"}}}
	if got := takeovers([]done{d}, calls); len(got["kill"]) != 1 || got["kill"][0] != 5 {
		t.Errorf("%v", got)
	}
	d.fault.brokers = []string{"cb-2"}
	if got := takeovers([]done{d}, calls); len(got) != 0 {
		t.Errorf("cb-2 owned nothing: %v", got)
	}
}

func TestWhoShouldBeSilentIsHeard(t *testing.T) {
	s := int64(time.Second)
	d := done{begin: 10 * s, end: 20 * s, alone: true, fault: fault{silent: []string{"cb-1"}, bound: 2 * time.Second}}
	if found, last := loud([]done{d}, []server.Call{call(11*s, "cb-1", 1), call(15*s, "cb-2", 2), call(21*s, "cb-1", 3)}); len(found) != 0 || last[""][0] != time.Second {
		t.Errorf("%v", found)
	}
	if found, _ := loud([]done{d}, []server.Call{call(15*s, "cb-1", 1)}); len(found) != 1 {
		t.Errorf("%v", found)
	}
}

func TestTheWitnessTellsWhoCameLate(t *testing.T) {
	s := int64(time.Second)
	calls := []server.Call{call(1*s, "cb-1", 1), call(2*s, "cb-2", 2)}
	in := []arrival{{"pcs-1", "cb-1", 1*s + 1}, {"pcs-1", "cb-2", 2*s + 1}, {"pcs-1", "cb-1", 2*s + 2}, {"pcs-1", "cb-1", 4 * s}}
	got := lates(calls, in)
	if len(got) != 1 || got[0].after != 2*time.Second || got[0].since != 3*time.Second {
		t.Fatalf("%+v", got)
	}
	cut := done{begin: s, end: 3 * s, fault: fault{brokers: []string{"cb-1"}}}
	if left := undisturbed(got, []done{cut}); len(left) != 0 {
		t.Errorf("%+v", left)
	}
	cut.fault.clear = true
	if left := undisturbed(got, []done{cut}); len(left) != 1 {
		t.Errorf("%+v", left)
	}
	cut.fault.brokers, cut.fault.clear = []string{"cb-2"}, false
	if left := undisturbed(got, []done{cut}); len(left) != 1 {
		t.Errorf("%+v", left)
	}
}

func TestHistories(t *testing.T) {
	write := func(value string, begin, end int64) operation {
		return operation{register: "r", kind: opWrite, wrote: value, read: value, begin: begin, end: end}
	}
	read := func(value string, begin, end int64) operation {
		return operation{register: "r", kind: opRead, read: value, begin: begin, end: end}
	}
	lost := write("b", 3, 4)
	lost.unknown, lost.read = true, ""
	replaced := operation{register: "r", kind: opReplace, expected: "a", wrote: "c", read: "c", begin: 5, end: 6}
	for _, c := range []struct {
		name    string
		history []operation
		want    porcupine.CheckResult
	}{
		{"written and read", []operation{write("a", 1, 2), read("a", 3, 4)}, porcupine.Ok},
		{"an acknowledged write is lost", []operation{write("a", 1, 2), write("b", 3, 4), read("a", 5, 6)}, porcupine.Illegal},
		{"a stale read", []operation{write("a", 1, 2), write("b", 3, 4), read("b", 5, 6), read("a", 7, 8)}, porcupine.Illegal},
		{"a write of unknown end was done", []operation{write("a", 1, 2), lost, read("a", 5, 6), read("b", 7, 8)}, porcupine.Ok},
		{"and was not", []operation{write("a", 1, 2), lost, read("a", 5, 6)}, porcupine.Ok},
		{"it cannot be undone", []operation{write("a", 1, 2), lost, read("b", 5, 6), read("a", 7, 8)}, porcupine.Illegal},
		{"replaced what was there", []operation{write("a", 1, 2), replaced, read("c", 7, 8)}, porcupine.Ok},
		{"replaced what was not", []operation{write("a", 1, 2), write("d", 3, 4), replaced}, porcupine.Illegal},
	} {
		if got, _ := linearizable(c.history, time.Minute); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// What a seed draws is always the same.
func TestASeedRepeatsARun(t *testing.T) {
	drawn := func(seed uint64) (all []string) {
		l := &lab{settings: settings{seed: seed, together: 5}, providers: []string{"vc-1", "pcs-1"}, apis: make([]*api, 4), net: &network{}, witness: newWitness(), place: &node{}, desk: &node{}}
		for _, id := range []string{"cb-1", "cb-2", "cb-3", "cb-4"} {
			l.hosts = append(l.hosts, &host{node: &node{name: id}, id: id})
		}
		for range 3 {
			l.members = append(l.members, &member{node: &node{}})
		}
		for number := range 100 {
			faults, at := l.round(kinds(), number)
			for i, f := range faults {
				all = append(all, f.kind+" "+f.what+" "+f.hold.String()+" "+at[i].String())
			}
		}
		return all
	}
	a, b, c := drawn(1), drawn(1), drawn(2)
	if strings.Join(a, "\n") != strings.Join(b, "\n") || strings.Join(a, "\n") == strings.Join(c, "\n") {
		t.Error(a, b, c)
	}
}
