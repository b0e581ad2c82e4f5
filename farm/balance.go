package farm

import (
	"cmp"
	"fmt"
	"slices"
)

// balance spreads the Automatic Providers so that counts differ by at most one.
// It moves nothing to or from a broker that has just come back, nor the one that
// stands in for it, nor one to which the operator is to move Providers home; and
// nothing that is at, or on its way to, where its settings want it.
func (pl *planner) balance() {
	if pl.v.State == StateOff || pl.v.State == StateLost {
		return
	}
	var pool []BrokerID
	for _, id := range pl.pool() {
		if !pl.held(id) && !pl.awaited[id] && !pl.parting(id) {
			pool = append(pool, id)
		}
	}
	if len(pool) < 2 {
		return
	}
	for {
		to := slices.MinFunc(pool, pl.byLoad)
		id, from := pl.movable(pool, pl.load[to]+1)
		for id != "" && !pl.fits(placing{id: id}, to) {
			delete(pl.settled, id) // it stays where it is reached from
			id, from = pl.movable(pool, pl.load[to]+1)
		}
		if id == "" {
			return
		}
		if home := pl.record(id).Home; slices.Contains(pool, home) && pl.load[home] == pl.load[to] && pl.fits(placing{id: id}, home) {
			to = home // of several that would do
		}
		pl.spread(id, from, to)
	}
}

// spread makes that a Provider does not go, or stay, where there are too many:
// by another choice of what this plan does anyway, or by a move.
func (pl *planner) spread(id ProviderID, from, to BrokerID) {
	pl.load[from]--
	delete(pl.settled, id)
	if h, ok := pl.homeward[id]; ok {
		pl.turnBack(h, to)
		return
	}
	if w, ok := pl.placed[id]; ok {
		next := pl.record(id)
		next.Broker, next.Incarnation = to, pl.p.Presence[to].Incarnation
		next.Message = fmt.Sprintf("%s %s has the fewest Providers.", w.because, to)
		pl.load[to]++
		pl.put(id, next)
		return
	}
	if pl.refusals[id].Wanted == to {
		delete(pl.refusals, id)
	}
	pl.handover(id, pl.p.Owners[id].Value, to, ReasonRebalance,
		fmt.Sprintf("%s has %s, %s has %d.", from, count(pl.load[from]+1, "Provider"), to, pl.load[to]), false)
}

func (pl *planner) byLoad(a, b BrokerID) int { return cmp.Compare(pl.load[a], pl.load[b]) }

// movable is the Provider to move from the fullest broker with more than limit.
// What has not moved yet goes first, of that what can stay where there are
// fewest; then what is away from home, which it keeps; last what failback once
// brought home. Equals go by ID: independent of map order.
func (pl *planner) movable(pool []BrokerID, limit int) (id ProviderID, from BrokerID) {
	for provider, b := range pl.settled {
		if !slices.Contains(pool, b) || pl.load[b] <= limit {
			continue
		}
		if id == "" || cmp.Or(
			-cmp.Compare(pl.load[b], pl.load[from]),
			cmp.Compare(pl.cost(provider), pl.cost(id)),
			cmp.Compare(provider, id),
		) < 0 {
			id, from = provider, b
		}
	}
	return id, from
}

// cost ranks what may move from one broker; the smallest goes first.
func (pl *planner) cost(id ProviderID) int {
	const moves = 1 << 30 // more than any load
	o := pl.record(id)
	if h, ok := pl.homeward[id]; ok {
		return pl.load[h.owner.Broker]
	}
	_, placed := pl.placed[id]
	switch {
	case placed:
		return 0
	case o.Home != "":
		return moves
	case o.Reason != ReasonFailback:
		return moves + 1
	}
	return moves + 2
}

// record is the ownership as this plan leaves it.
func (pl *planner) record(id ProviderID) Ownership {
	if d, ok := pl.decisions[id]; ok {
		return d.Next
	}
	return pl.p.Owners[id].Value
}
