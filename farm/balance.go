package farm

import (
	"cmp"
	"fmt"
	"slices"
)

// balance spreads the Automatic Providers so that counts differ by at most one.
// It moves nothing to or from a broker that has just come back or to which the
// operator is to move Providers home, and nothing
// that is at, or on its way to, where its settings want it. A Provider away
// from home keeps its home and goes first.
func (pl *planner) balance() {
	if pl.v.State == StateOff || pl.v.State == StateLost {
		return
	}
	var pool []BrokerID
	for _, id := range pl.pool() {
		if !pl.held(id) && !pl.awaited[id] {
			pool = append(pool, id)
		}
	}
	if len(pool) < 2 {
		return
	}
	for {
		to := slices.MinFunc(pool, pl.byLoad)
		id, from := pl.movable(pool, pl.load[to]+1)
		if id == "" {
			return
		}
		pl.load[from]--
		delete(pl.settled, id)
		pl.handover(id, pl.p.Owners[id].Value, to, ReasonRebalance,
			fmt.Sprintf("%s has %s, %s has %d.", from, count(pl.load[from]+1, "Provider"), to, pl.load[to]), false)
	}
}

func (pl *planner) byLoad(a, b BrokerID) int { return cmp.Compare(pl.load[a], pl.load[b]) }

// movable is the Provider to move from the fullest broker with more than limit.
func (pl *planner) movable(pool []BrokerID, limit int) (id ProviderID, from BrokerID) {
	away := func(id ProviderID) bool { return pl.p.Owners[id].Value.Home != "" }
	for provider, b := range pl.settled {
		if !slices.Contains(pool, b) || pl.load[b] <= limit || pl.p.Owners[provider].Value.Target != "" {
			continue
		}
		// Fullest first, then away from home, then by ID: independent of map order.
		better := id == "" || cmp.Or(
			-cmp.Compare(pl.load[b], pl.load[from]),
			-compareBool(away(provider), away(id)),
			cmp.Compare(provider, id),
		) < 0
		if better {
			id, from = provider, b
		}
	}
	return id, from
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
