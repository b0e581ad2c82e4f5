package farm

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHoldDownDoublesUpToTenMinutes(t *testing.T) {
	for _, c := range []struct {
		base  time.Duration
		flaps int
		want  time.Duration
	}{
		{10 * time.Second, 0, 10 * time.Second},
		{10 * time.Second, 1, 20 * time.Second},
		{10 * time.Second, 5, 320 * time.Second},
		{10 * time.Second, 6, 10 * time.Minute},
		{10 * time.Second, 1 << 40, 10 * time.Minute},
		{7 * time.Minute, 1, 10 * time.Minute},
		{0, 9, 0},
		{time.Hour, 0, time.Hour}, // as it is set; flapping does not shorten it
		{time.Hour, 3, time.Hour},
	} {
		site := Site{Failback: Failback{HoldDown: c.base}}
		if got := holdDown(site, c.flaps); got != c.want {
			t.Errorf("%s after %d: got %s, want %s", c.base, c.flaps, got, c.want)
		}
	}
}

// The largest group is the largest there is, and the first of those as large:
// compared with trying every subset.
func TestTheLargestGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 8).Draw(t, "brokers")
		var order []BrokerID
		for i := range n {
			order = append(order, BrokerID(fmt.Sprintf("cb-%d", i)))
		}
		cuts := Cuts{}
		for i, a := range order {
			for _, b := range order[i+1:] {
				if rapid.Bool().Draw(t, "cut") {
					cuts.Cut(b, a)
				}
			}
		}
		var best []BrokerID
		for set := range 1 << n {
			var group []BrokerID
			for i, b := range order {
				if set&(1<<i) != 0 {
					group = append(group, b)
				}
			}
			apart := func(a BrokerID) bool {
				return slices.ContainsFunc(group, func(b BrokerID) bool { return a != b && cuts.between(a, b) })
			}
			first := func(a, b []BrokerID) bool { return slices.Compare(a, b) < 0 }
			if !slices.ContainsFunc(group, apart) && (len(group) > len(best) || len(group) == len(best) && first(group, best)) {
				best = group
			}
		}
		if got := largestGroup(order, cuts); !slices.Equal(got, best) {
			t.Fatalf("got %v, want %v; cuts %v", got, best, cuts)
		}
	})
}

func TestPartitionCutsBetweenGroupsAndOffTheRest(t *testing.T) {
	cuts := Partition([]BrokerID{"a", "b", "c", "d", "e"}, [][]BrokerID{{"a", "b"}, {"c"}})
	for _, c := range []struct {
		a, b BrokerID
		cut  bool
	}{
		{"a", "b", false}, {"b", "a", false}, {"a", "c", true}, {"c", "a", true}, {"c", "b", true},
		{"d", "a", true}, {"d", "c", true}, {"d", "e", true}, {"e", "d", true},
	} {
		if got := cuts.between(c.a, c.b); got != c.cut {
			t.Errorf("%s and %s: cut is %v", c.a, c.b, got)
		}
	}
	if len(Partition([]BrokerID{"a", "b"}, [][]BrokerID{{"a", "b"}})) != 0 {
		t.Error("one group of all has cuts")
	}
	var none Cuts
	if none.between("a", "b") {
		t.Error("no cuts cut")
	}
}
