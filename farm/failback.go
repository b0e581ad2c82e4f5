package farm

import (
	"fmt"
	"maps"
	"slices"
)

// homecoming is an Automatic Provider that is to go home as a planned handover.
// It is counted at home while balance looks at the loads, so that failback
// brings home no more than balance leaves there and nothing moves twice: what
// would be too much is turned back before it has moved.
type homecoming struct {
	placing
	owner   Ownership
	home    BrokerID
	message string // of the handover that brings it home
	mayStay bool   // its owner is eligible, so it can stay there instead
}

func (pl *planner) comeHome(h homecoming) {
	pl.load[h.home]++
	pl.homeward[h.id] = h
	pl.settled[h.id] = h.home
}

// turnBack keeps a Provider from going home, which has its share already. It
// keeps its home, so that it goes there as soon as there is room.
func (pl *planner) turnBack(h homecoming, to BrokerID) {
	delete(pl.homeward, h.id)
	pl.refuse(h.id, h.home, ReasonRebalance, fmt.Sprintf("Its home %s has its share of the Providers already.", h.home))
	if h.mayStay {
		pl.load[h.owner.Broker]++
		pl.settled[h.id] = h.owner.Broker
		return
	}
	pl.handover(h.id, h.owner, to, h.reason, fmt.Sprintf("%s %s has the fewest Providers.", h.because, to), h.urgent)
}

// bringHome asks for the handovers of those that balance has let pass.
func (pl *planner) bringHome() {
	for _, id := range slices.Sorted(maps.Keys(pl.homeward)) {
		h := pl.homeward[id]
		pl.load[h.home]-- // handover counts it
		pl.handover(id, h.owner, h.home, h.reason, h.message, h.urgent)
	}
}

// waiting is a Provider that is about to go home, but not yet.
type waiting struct{ at, home BrokerID }

func (pl *planner) wait(at, home BrokerID) { pl.waiting = append(pl.waiting, waiting{at, home}) }

// expect counts what is about to go home as if it were there: balance neither
// moves it nor moves others to where there is no need, and back.
func (pl *planner) expect() {
	for _, w := range pl.waiting {
		pl.load[w.at]--
		pl.load[w.home]++
	}
}

// parting reports whether a broker stands in for one that is back and waits for
// its hold-down.
func (pl *planner) parting(b BrokerID) bool {
	return slices.ContainsFunc(pl.v.Seats, func(s Seat) bool {
		return s.Occupant == b && s.Broker != b && pl.p.staying(s.Broker)
	})
}
