package doctor

import (
	"fmt"
	"math"
	"time"
)

// judgeElection compares the election timeout that the server computes its bounds
// with, and what etcd's shortest lease tells of the real one: etcd grants no less
// than one and a half election timeouts, in whole heartbeats first and then in
// whole seconds. It has five heartbeats or more in an election timeout, so that at
// the least seven sixths of that are left.
func judgeElection(says, floor time.Duration) Finding {
	const what = "etcd election"
	most := wholeSeconds(says * 3 / 2)
	least := wholeSeconds(says * 7 / 6)
	// What the real one is, in the same way: above the one, up to the other.
	from, to := (floor-time.Second)*2/3, floor*6/7
	runs := fmt.Sprintf("etcd grants no lease shorter than %v, so its election timeout is more than %v", floor, from.Round(time.Millisecond))
	if from <= 0 {
		runs = fmt.Sprintf("etcd grants leases of %v, so its election timeout is at most %v", floor, to.Round(time.Millisecond))
	}
	const do = "Give --etcd-election of every server what etcd runs with: its --election-timeout, 1000 ms unless it is set."
	switch {
	case floor > most:
		return warned(what, fmt.Sprintf("%s, and --etcd-election says %v: a takeover with the loss of etcd's leader can take longer than the server tells.", runs, says), do)
	case floor < least:
		return warned(what, fmt.Sprintf("%s, and --etcd-election says %v: takeovers are quicker than the server tells.", runs, says), do)
	}
	return fine(what, fmt.Sprintf("etcd grants no lease shorter than %v, which fits --etcd-election=%v.", floor, says))
}

func wholeSeconds(d time.Duration) time.Duration {
	return time.Duration(math.Ceil(d.Seconds())) * time.Second
}
