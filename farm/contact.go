package farm

import (
	"slices"
	"time"
)

// How brokers find out who is in contact. One that does not answer in time so
// many times running is not reached any more; it is again once it has answered
// for as long as ContactHeals, or longer if it keeps being lost.
const (
	ContactEvery   = 250 * time.Millisecond // between the beginnings of two questions
	ContactTimeout = 400 * time.Millisecond // for the answer to one
	ContactMisses  = 3
	ContactHeals   = time.Second
	// ContactSettles is how long what the brokers say of each other must have
	// stayed the same before it counts: a cut is noticed by all that it separates,
	// but not by all at once.
	ContactSettles = 400 * time.Millisecond

	// PromiseLasts is for how long a broker without storage leaves the others what
	// they own when they ask it to, see Picture.MayDecide.
	PromiseLasts = 2 * time.Second
)

// Cuts returns who is present and not in contact, as the brokers themselves say.
func (p *Picture) Cuts() Cuts {
	cuts := Cuts{}
	for a, here := range p.Presence {
		for b := range here.Unreached {
			if p.misses(a, b) {
				cuts.Cut(a, b)
			}
		}
	}
	return cuts
}

// misses reports whether one broker says that another one, in its present life,
// does not answer it.
func (p *Picture) misses(a, b BrokerID) bool {
	life, says := p.Presence[a].Unreached[b]
	return says && p.Alive(Life{b, life})
}

// Mutual reports whether both sides of a cut say so. One that only one side tells
// of may be a cut in one direction; but the other side may also be dead, with a
// presence that has not ended yet.
func (p *Picture) Mutual(cut [2]BrokerID) bool {
	return p.misses(cut[0], cut[1]) && p.misses(cut[1], cut[0])
}

// Contact says of each broker that is present with which others, also present,
// it is in contact: each can reach the other.
func (p *Picture) Contact() map[BrokerID]map[BrokerID]bool {
	cuts := p.Cuts()
	matrix := make(map[BrokerID]map[BrokerID]bool, len(p.Presence))
	for id := range p.Presence {
		matrix[id] = p.contact(id, cuts)
	}
	return matrix
}

func (p *Picture) contact(id BrokerID, cuts Cuts) map[BrokerID]bool {
	row := map[BrokerID]bool{}
	if p.Online(id) {
		for other := range p.Presence {
			if other != id {
				row[other] = !cuts.between(id, other)
			}
		}
	}
	return row
}

// Cuts are the pairs of brokers that are present and yet not in contact. The
// zero value means that everybody who is present is in contact.
type Cuts map[[2]BrokerID]bool

// Cut notes that a and b are not in contact. A cut in one direction is a cut.
func (c Cuts) Cut(a, b BrokerID) { c[pair(a, b)] = true }

// Partition returns the cuts between brokers of different groups. A broker in
// no group is cut off from all others.
func Partition(all []BrokerID, groups [][]BrokerID) Cuts {
	group := map[BrokerID]int{}
	for i, g := range groups {
		for _, b := range g {
			group[b] = i + 1
		}
	}
	cuts := Cuts{}
	for i, a := range all {
		for _, b := range all[i+1:] {
			if group[a] == 0 || group[a] != group[b] {
				cuts.Cut(a, b)
			}
		}
	}
	return cuts
}

func pair(a, b BrokerID) [2]BrokerID {
	if b < a {
		a, b = b, a
	}
	return [2]BrokerID{a, b}
}

func (c Cuts) between(a, b BrokerID) bool { return c[pair(a, b)] }

// largestGroup returns the largest set of brokers all in contact with each
// other. Of several as large it is the one whose members come first in order.
func largestGroup(order []BrokerID, cuts Cuts) []BrokerID {
	if len(cuts) == 0 {
		return order
	}
	var best []BrokerID
	var grow func(group, candidates []BrokerID)
	grow = func(group, candidates []BrokerID) {
		if len(group) > len(best) {
			best = slices.Clone(group)
		}
		for i, b := range candidates {
			if len(group)+len(candidates)-i <= len(best) {
				return
			}
			var rest []BrokerID
			for _, other := range candidates[i+1:] {
				if !cuts.between(b, other) {
					rest = append(rest, other)
				}
			}
			grow(append(slices.Clip(group), b), rest)
		}
	}
	grow(nil, order)
	return best
}
