package etcd

import "testing"

func TestWhatCanFollowInOneTurnOfHistory(t *testing.T) {
	seen := place{cluster: 1, revision: 1000}
	for _, c := range []struct {
		name             string
		seen, next       place
		precedes, parted bool
	}{
		{"the same revision", seen, place{1, 1000}, true, false},
		{"a later one", seen, place{1, 1000 + leap}, true, false},
		{"an earlier one, perhaps of a member that lags", seen, place{1, 999}, false, false},
		{"a leap", seen, place{1, 1001 + leap}, false, true},
		{"another cluster", seen, place{2, 1001}, false, true},
		{"a cluster that is not named", seen, place{0, 1001}, true, false},
		{"the first that is ever seen", place{}, place{1, 10 * leap}, true, false},
	} {
		if got := c.seen.precedes(c.next); got != c.precedes {
			t.Errorf("%s: precedes %v", c.name, got)
		}
		if got := c.seen.parted(c.next); got != c.parted {
			t.Errorf("%s: parted %v", c.name, got)
		}
	}
}
