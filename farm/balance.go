package farm

import (
	"cmp"
	"fmt"
	"slices"
)

// balance spreads the Automatic Providers so that counts differ by at most one.
// It moves nothing to or from a broker that has just come back or to which the
// operator is to move Providers home, nothing that is at, or on its way to,
// where its settings want it, and nothing that is newly home. A Provider away
// from home keeps its home and goes first; one that failback once brought home
// goes last.
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
		if w, ok := pl.placed[id]; ok {
			// It gets a new owner in this very plan: let it be the right one.
			next := pl.record(id)
			next.Broker, next.Incarnation = to, pl.p.Presence[to].Incarnation
			next.Message = fmt.Sprintf("%s %s has the fewest Providers.", w.because, to)
			pl.load[to]++
			pl.put(id, next)
			continue
		}
		pl.handover(id, pl.p.Owners[id].Value, to, ReasonRebalance,
			fmt.Sprintf("%s has %s, %s has %d.", from, count(pl.load[from]+1, "Provider"), to, pl.load[to]), false)
	}
}

func (pl *planner) byLoad(a, b BrokerID) int { return cmp.Compare(pl.load[a], pl.load[b]) }

// movable is the Provider to move from the fullest broker with more than limit.
func (pl *planner) movable(pool []BrokerID, limit int) (id ProviderID, from BrokerID) {
	away := func(id ProviderID) bool { return pl.record(id).Home != "" }
	returned := func(id ProviderID) bool { return pl.record(id).Reason == ReasonFailback }
	for provider, b := range pl.settled {
		if !slices.Contains(pool, b) || pl.load[b] <= limit {
			continue
		}
		// Fullest first, then away from home, then not brought home, then by ID:
		// independent of map order.
		better := id == "" || cmp.Or(
			-cmp.Compare(pl.load[b], pl.load[from]),
			-compareBool(away(provider), away(id)),
			compareBool(returned(provider), returned(id)),
			cmp.Compare(provider, id),
		) < 0
		if better {
			id, from = provider, b
		}
	}
	return id, from
}

// record is the ownership as this plan leaves it.
func (pl *planner) record(id ProviderID) Ownership {
	if d, ok := pl.decisions[id]; ok {
		return d.Next
	}
	return pl.p.Owners[id].Value
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
