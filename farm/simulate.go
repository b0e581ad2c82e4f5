package farm

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Trial is a change to try on a Site without making it.
type Trial struct {
	Fail      []BrokerID   // go completely offline
	Restore   []BrokerID   // come back, and have been back for the hold-down
	Stop      []BrokerID   // shut down: hand everything over, then go offline
	Partition [][]BrokerID // groups that are in contact only within; brokers in no group are cut off from all
	// Settings to try in place of those stored.
	Site      *Site
	Brokers   []Broker
	Providers []Provider
}

// Prediction is what a Trial would lead to.
type Prediction struct {
	HighAvailability HighAvailability
	Providers        []PredictedProvider // in order of ID
	// HostsAffected counts the Hosts of Providers that change owner or lose it.
	HostsAffected int
	// LongestOutage is the longest time any Provider is without a connection,
	// as far as it can be computed; Unbounded if one stays without.
	LongestOutage time.Duration
	Unbounded     bool
}

// PredictedProvider is what would become of one Provider.
type PredictedProvider struct {
	Provider ProviderID
	Before   BrokerID
	After    BrokerID
	Reason   Reason // why it moved, or why it has no owner; empty: it stays
	Message  string
	Hosts    int
}

// Stoppability says whether a broker can be stopped without harm.
type Stoppability struct {
	Stoppable bool
	Reasons   []string // why not
	Effects   []string // what would happen
}

// steady is long enough back for every hold-down to be over.
const steady = 1000 * time.Hour

// Simulate predicts what a trial would lead to once everything has settled. It
// asks the function that decides for real.
func (p *Picture) Simulate(t Trial, b Bounds) (Prediction, error) {
	tried, err := p.try(t)
	if err != nil {
		return Prediction{}, err
	}
	s := Situation{Picture: tried, Back: map[BrokerID]time.Duration{}, Cuts: tried.Cuts()}
	for id := range tried.Presence {
		if p.Online(id) {
			s.Back[id] = steady
		}
	}
	if len(t.Partition) > 0 {
		s.Cuts = Partition(slices.Sorted(maps.Keys(tried.Presence)), t.Partition)
	}
	Settle(&s)
	// Time passes: what shuts down has gone, what has come back has been so for
	// its hold-down.
	for _, id := range t.Stop {
		delete(tried.Presence, id)
	}
	for id := range tried.Presence {
		s.Back[id] = steady
	}
	Settle(&s)
	return p.compare(tried, t, b), nil
}

// Settle plans and carries out, in the Situation's own picture, until there is
// nothing left to do.
func Settle(s *Situation) {
	// Every round but the last completes at least one move; the bound only guards
	// against a rule that undoes another one.
	for range 2*len(s.Picture.Providers) + 2*len(s.Picture.Owners) + 10 {
		out := Plan(*s)
		if out.Seats != nil {
			s.Picture.Seats.Value = *out.Seats
		}
		s.Picture.Revision++
		for _, d := range out.Decisions {
			s.Picture.Owners[d.Provider] = Stored[Ownership]{Value: d.Next, Revision: s.Picture.Revision}
		}
		if busy := s.Picture.carryOut(); !busy && out.Seats == nil && len(out.Decisions) == 0 {
			return
		}
	}
}

// carryOut does what the owners are asked to do: hand over, and let go. It
// reports whether any was.
func (p *Picture) carryOut() (busy bool) {
	p.Revision++
	for id, o := range p.Owners {
		next := Released(o.Value)
		if next.Target != "" && p.Alive(next.Owner()) {
			next = HandedOver(next)
		}
		if next != o.Value {
			busy = true
			p.Owners[id] = Stored[Ownership]{Value: next, Revision: p.Revision}
		}
	}
	return busy
}

// try returns a copy of the picture in which the trial has happened and nobody
// has reacted yet.
func (p *Picture) try(t Trial) (*Picture, error) {
	q := *p
	q.Revision++
	q.Brokers, q.Providers = maps.Clone(p.Brokers), maps.Clone(p.Providers)
	q.Presence, q.Owners = maps.Clone(p.Presence), maps.Clone(p.Owners)
	if q.Brokers == nil {
		q.Brokers = map[BrokerID]Stored[Broker]{}
	}
	if q.Providers == nil {
		q.Providers = map[ProviderID]Stored[Provider]{}
	}
	if q.Owners == nil {
		q.Owners = map[ProviderID]Stored[Ownership]{}
	}
	if q.Presence == nil {
		q.Presence = map[BrokerID]Presence{}
	}
	for _, ids := range append([][]BrokerID{t.Fail, t.Restore, t.Stop}, t.Partition...) {
		for _, id := range ids {
			if _, ok := p.Brokers[id]; !ok {
				return nil, &Violation{Code: CodeUnknownBroker, Detail: fmt.Sprintf("The Site has no broker %q.", id)}
			}
		}
	}
	if t.Site != nil {
		q.Site.Value = *t.Site
	}
	for _, b := range t.Brokers {
		q.Brokers[b.ID] = Stored[Broker]{Value: b, Revision: q.Revision}
	}
	for _, c := range t.Providers {
		q.Providers[c.ID] = Stored[Provider]{Value: c, Revision: q.Revision}
	}
	for _, id := range t.Fail {
		delete(q.Presence, id)
	}
	for _, id := range t.Restore {
		if !q.Online(id) {
			q.Presence[id] = Presence{Broker: id, Incarnation: Incarnation(q.Revision)}
		}
	}
	for _, id := range t.Stop {
		if here, ok := q.Presence[id]; ok {
			here.Leaving = true
			q.Presence[id] = here
		}
	}
	// In a trial every move is over at once, so none waits for another.
	q.Site.Value.MaxParallelMoves = max(len(q.Providers), 1)
	return &q, nil
}

func (p *Picture) compare(after *Picture, t Trial, b Bounds) Prediction {
	v := after.Seats.Value
	out := Prediction{HighAvailability: HighAvailability{
		State: v.State, Reason: v.Reason, Message: v.Message, Seats: v.Seats, Majority: Majority(len(v.Seats)),
	}}
	for _, id := range slices.Sorted(maps.Keys(after.Providers)) {
		was, is := p.Owners[id].Value, after.Owners[id].Value
		one := PredictedProvider{Provider: id, Hosts: len(p.Hosts[id])}
		if p.Alive(was.Owner()) {
			one.Before = was.Broker
		}
		if after.Alive(is.Owner()) {
			one.After = is.Broker
		}
		if one.Before != one.After || was.Epoch != is.Epoch {
			one.Reason, one.Message = is.Reason, is.Message
			out.HostsAffected += one.Hosts
		}
		switch {
		case one.After == "" && after.Providers[id].Value.Enabled:
			one.Reason, one.Message = ReasonMajorityLost, v.Message
			if v.State != StateLost {
				one.Reason, one.Message = after.whyUnowned(after.Providers[id].Value, is, v)
			}
			if one.Before != "" {
				out.Unbounded = true
			}
		case one.Before == "" || was.Epoch == is.Epoch:
		case slices.Contains(t.Fail, one.Before) || len(t.Partition) > 0:
			out.LongestOutage = max(out.LongestOutage, b.BrokerLost)
		default:
			out.LongestOutage = max(out.LongestOutage, b.PlannedMove)
		}
		out.Providers = append(out.Providers, one)
	}
	return out
}

// Stoppable says whether a broker can be stopped, in good order, without leaving
// a Provider without an owner.
func (p *Picture) Stoppable(id BrokerID, b Bounds) Stoppability {
	if !p.Online(id) {
		return Stoppability{Stoppable: true, Effects: []string{fmt.Sprintf("None: broker %s is offline already.", id)}}
	}
	before := p.verdict()
	after, err := p.Simulate(Trial{Stop: []BrokerID{id}}, b)
	if err != nil {
		return Stoppability{Reasons: []string{err.Error()}}
	}
	var s Stoppability
	ha := after.HighAvailability
	if ha.State != before.State {
		s.Effects = append(s.Effects, fmt.Sprintf("High availability goes from %s to %s: %s", before.State, ha.State, ha.Message))
	}
	if ha.State == StateLost && before.State != StateLost {
		s.Reasons = append(s.Reasons, "Without it the Site has no majority. "+ha.Message)
	}
	for _, pr := range after.Providers {
		switch {
		case pr.Before == pr.After, pr.Before == "":
			// Nothing that stopping the broker does.
		case pr.After == "" && ha.State != StateLost:
			s.Reasons = append(s.Reasons, fmt.Sprintf("Provider %s would be without an owner (%s).", pr.Provider, pr.Reason))
		case pr.After == "":
			s.Effects = append(s.Effects, fmt.Sprintf("Provider %s is abandoned.", pr.Provider))
		default:
			s.Effects = append(s.Effects, fmt.Sprintf("Provider %s is handed over from %s to %s: %s", pr.Provider, pr.Before, pr.After, pr.Message))
		}
	}
	for _, seat := range ha.Seats {
		if seat.Broker == id && seat.Occupant != "" && seat.Occupant != id {
			s.Effects = append(s.Effects, fmt.Sprintf("Standby broker %s is activated in its place.", seat.Occupant))
		}
	}
	s.Stoppable = len(s.Reasons) == 0
	return s
}
