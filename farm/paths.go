package farm

import (
	"fmt"
	"slices"
	"time"
)

// How brokers find out whether they can reach a Provider.
const (
	// PathFails is for how long an owner tries to connect before it says that it
	// cannot reach the Provider.
	PathFails = 10 * time.Second
	// PathEvery is about how often one that does not own a Provider looks whether it
	// could reach it, and PathDoubtEvery while somebody has trouble with it.
	PathEvery      = time.Minute
	PathDoubtEvery = 4 * time.Second
	PathTimeout    = 3 * time.Second
	PathMisses     = 2
	// PathHeals is for how long a way that has failed must have been good again.
	PathHeals = 30 * time.Second
)

// reaches reports whether a broker can reach a Provider as far as is known, and
// found whether it has found out that it can.
func (p *Picture) reaches(b BrokerID, id ProviderID) (reaches, found bool) {
	good, known := p.Presence[b].Paths[id]
	return good || !known, good
}

// noWay says why a Provider cannot be given to a broker, if that is because it
// does not reach it; where nobody does, it makes no difference who owns it.
func noWay(p *Picture, v Seats, b BrokerID, id ProviderID) (Reason, string) {
	if reaches, _ := p.reaches(b, id); reaches {
		return "", ""
	}
	if !slices.ContainsFunc(p.eligible(v), func(other BrokerID) bool { reaches, _ := p.reaches(other, id); return reaches }) {
		return "", ""
	}
	return ReasonProviderUnreachable, fmt.Sprintf("Broker %s cannot reach the Provider.", b)
}

// blind reports whether a Provider is to leave its owner, which cannot reach it,
// since another one is known to reach it.
func (pl *planner) blind(id ProviderID, o Ownership) bool {
	if reaches, _ := pl.p.reaches(o.Broker, id); reaches || pl.v.State == StateOff {
		return false
	}
	for other := range pl.eligible {
		if _, found := pl.p.reaches(other, id); found && other != o.Broker {
			return true
		}
	}
	return false
}

// Trouble reports whether somebody cannot reach a Provider, or is about to find
// that out: then it is worth while for the others to look.
func (p *Picture) Trouble(id ProviderID) bool {
	o, r := p.Owners[id].Value, p.Reports[id]
	if r.Epoch == o.Epoch && r.State != Connected && o.Broker != "" {
		return true
	}
	for b := range p.Presence {
		if reaches, _ := p.reaches(b, id); !reaches {
			return true
		}
	}
	return false
}
