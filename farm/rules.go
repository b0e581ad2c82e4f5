package farm

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Seats and brokers that high availability needs: below three, no majority can
// survive the loss of one.
const MinSeats = 3

// MaxBrokers is how many brokers a Site can have. Every change of a Site's
// configuration compares all of them and their presence in one transaction of
// storage, which takes 128 compares.
const MaxBrokers = 50

var validID = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ValidID reports whether s may name a Site, a broker or a Provider.
func ValidID(s string) bool { return validID.MatchString(s) }

// Code is the stable name of a rule that refused a change.
type Code string

const (
	CodeThreeActiveBrokersRequired   Code = "three-active-brokers-required"
	CodeNoBrokerAvailable            Code = "no-broker-available"
	CodeWouldTurnOffHighAvailability Code = "would-turn-off-high-availability"
	CodeBrokerOnline                 Code = "broker-online"
	CodeBrokerInUse                  Code = "broker-in-use"
	CodeBrokerNotAvailable           Code = "broker-not-available"
	CodeUnknownBroker                Code = "unknown-broker"
	CodeSiteNotEmpty                 Code = "site-not-empty"
	CodeTooManyBrokers               Code = "too-many-brokers"
	CodeProviderNotMovable           Code = "provider-not-movable"
)

// Violation is a rule's refusal of a change.
type Violation struct {
	Code    Code
	Detail  string   // a sentence that says what to do
	Effects []string // what would happen, a sentence each
}

func (v *Violation) Error() string { return string(v.Code) + ": " + v.Detail }

// InOrder returns the Site's brokers in priority order.
func (p *Picture) InOrder() []Broker {
	all := make([]Broker, 0, len(p.Brokers))
	for _, b := range p.Brokers {
		all = append(all, b.Value)
	}
	slices.SortFunc(all, func(a, b Broker) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// HasSeat reports whether the broker's configuration gives it a seat.
func (b Broker) HasSeat() bool { return b.Enabled && b.Mode == ModeActive }

// Online reports whether the broker is present.
func (p *Picture) Online(id BrokerID) bool {
	_, ok := p.Presence[id]
	return ok
}

// seats returns who has a seat, in priority order.
func (p *Picture) seats() []BrokerID {
	var ids []BrokerID
	for _, b := range p.InOrder() {
		if b.HasSeat() {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

// Available returns the active brokers that are available: online, enabled and
// on a seat, in the seats' order. A standby that stands in for a lost broker
// counts.
func (p *Picture) Available() []BrokerID {
	var ids []BrokerID
	v, _ := judge(Situation{Picture: p})
	for _, s := range v.Seats {
		if s.Occupant != "" && p.Online(s.Occupant) {
			ids = append(ids, s.Occupant)
		}
	}
	return ids
}

// NewBroker completes a broker that is to be added: without a mode it is active
// while the Site has fewer than three seats, else standby; without a priority
// (negative) it comes last. A Site that has MaxBrokers refuses it.
func NewBroker(p *Picture, b Broker) (Broker, error) {
	if len(p.Brokers) >= MaxBrokers {
		return b, &Violation{Code: CodeTooManyBrokers,
			Detail: fmt.Sprintf("The Site has %s, and more than %d are not possible. Delete one that is no longer used, or make another Site.", count(len(p.Brokers), "broker"), MaxBrokers)}
	}
	if b.Mode == "" {
		b.Mode = ModeActive
		if len(p.seats()) >= MinSeats {
			b.Mode = ModeStandby
		}
	}
	if b.Priority < 0 {
		b.Priority = 0
		for _, other := range p.Brokers {
			b.Priority = max(b.Priority, other.Value.Priority+1)
		}
	}
	return b, nil
}

// CheckBroker refuses a change of a broker that would leave an armed Site with
// fewer than three seats, unless the loss is accepted.
func CheckBroker(p *Picture, next Broker, acceptLoss bool) error {
	return p.checkSeats(acceptLoss, func(b Broker) (Broker, bool) {
		if b.ID == next.ID {
			return next, true
		}
		return b, true
	})
}

// CheckDeleteBroker refuses to delete a broker that is online, that a Provider
// names, or whose seat high availability needs.
func CheckDeleteBroker(p *Picture, id BrokerID, acceptLoss bool) error {
	if p.Online(id) {
		return &Violation{Code: CodeBrokerOnline,
			Detail: fmt.Sprintf("Broker %s is online. Stop its server first, then delete it.", id)}
	}
	var named []string
	for _, pr := range p.Providers {
		if pr.Value.Preferred.Broker == id || pr.Value.MovedTo == id {
			named = append(named, string(pr.Value.ID))
		}
	}
	if len(named) > 0 {
		slices.Sort(named)
		return &Violation{Code: CodeBrokerInUse,
			Detail: fmt.Sprintf("Broker %s is the Preferred Connection Broker or the home of %s. Choose another one for %s first.", id, list(named), plural(len(named), "it", "them"))}
	}
	return p.checkSeats(acceptLoss, func(b Broker) (Broker, bool) { return b, b.ID != id })
}

// checkSeats applies change to every broker (false: it is deleted) and refuses
// if that would disarm the Site.
func (p *Picture) checkSeats(acceptLoss bool, change func(Broker) (Broker, bool)) error {
	before, after := len(p.seats()), 0
	for _, b := range p.Brokers {
		if next, stays := change(b.Value); stays && next.HasSeat() {
			after++
		}
	}
	if acceptLoss || !p.Seats.Value.Armed || after >= MinSeats || after >= before {
		return nil
	}
	return &Violation{
		Code: CodeWouldTurnOffHighAvailability,
		Detail: fmt.Sprintf("The Site would have %s; high availability needs %d. Add or enable another active broker first, or accept the loss with acceptHighAvailabilityLoss=true.",
			count(after, "seat"), MinSeats),
		Effects: []string{
			"High availability of the Site turns off.",
			"If a broker goes offline, its Providers become unavailable and stay with it until it is back.",
			"No standby broker is activated, and nothing moves back or is balanced.",
			fmt.Sprintf("%s with an automatic Preferred Connection Broker %s with the present owner for as long as that is an active broker.", count(p.automatic(), "Provider"), plural(p.automatic(), "stays", "stay")),
		},
	}
}

func (p *Picture) automatic() int {
	n := 0
	for _, pr := range p.Providers {
		if pr.Value.Preferred.Mode == PreferenceAutomatic {
			n++
		}
	}
	return n
}

// ChoosePreference decides the Preferred Connection Broker of a new Provider.
// The zero want lets the rule choose; why says what was chosen and why.
func ChoosePreference(p *Picture, want Preference) (chosen Preference, why string, err error) {
	if want.Mode != "" {
		return want, "It was chosen by the request.", CheckPreference(p, Preference{}, want)
	}
	available := p.Available()
	switch {
	case len(available) >= MinSeats:
		return Automatic, fmt.Sprintf("%s are available, so the choice is left to the Site.", count(len(available), "active broker")), nil
	case len(available) > 0:
		// A stand-in goes back to standby: only if there is nobody else.
		first := available[0]
		for _, id := range slices.Backward(available) {
			if p.Brokers[id].Value.HasSeat() {
				first = id
			}
		}
		return Manual(first), fmt.Sprintf("Only %s available (automatic needs %d), so it is the first one in priority order.",
			isAre(len(available), "active broker"), MinSeats), nil
	}
	return Preference{}, "", &Violation{Code: CodeNoBrokerAvailable,
		Detail: "No active broker of the Site is available to own the Provider. Start one, or name one as its Preferred Connection Broker."}
}

// CheckPreference refuses a change of a Provider's preference to Automatic
// while fewer than three active brokers are available, and to a broker that
// does not exist.
func CheckPreference(p *Picture, was, next Preference) error {
	if next == was {
		return nil
	}
	if next.Mode == PreferenceManual {
		if _, ok := p.Brokers[next.Broker]; !ok {
			return &Violation{Code: CodeUnknownBroker, Detail: fmt.Sprintf("The Site has no broker %q.", next.Broker)}
		}
		return nil
	}
	if n := len(p.Available()); n < MinSeats {
		return &Violation{Code: CodeThreeActiveBrokersRequired,
			Detail: fmt.Sprintf("Automatic needs at least %d active brokers that are online, enabled and on a seat; the Site has %d. Start or add brokers, or choose one broker for the Provider.", MinSeats, n)}
	}
	return nil
}

// CheckMove refuses to move a Provider to a broker that could not own it now.
func CheckMove(p *Picture, to BrokerID) error {
	b, ok := p.Brokers[to]
	if !ok {
		return &Violation{Code: CodeUnknownBroker, Detail: fmt.Sprintf("The Site has no broker %q.", to)}
	}
	var why string
	switch {
	case !b.Value.Enabled:
		why = "is disabled"
	case !p.Online(to):
		why = "is offline"
	case p.Presence[to].Leaving:
		why = "is shutting down"
	case b.Value.Draining:
		why = "is draining"
	case !slices.Contains(p.Available(), to):
		why = "sits on no seat"
	default:
		return nil
	}
	return &Violation{Code: CodeBrokerNotAvailable,
		Detail: fmt.Sprintf("Broker %s %s, so it cannot own a Provider now. Choose an active broker that is online.", to, why)}
}

// CheckMovable refuses to move a Provider that nobody may own now: the move would
// be accepted and nothing would follow.
func CheckMovable(p *Picture, pr Provider) error {
	switch {
	case !pr.Enabled:
		return &Violation{Code: CodeProviderNotMovable,
			Detail: fmt.Sprintf("Provider %s is disabled, so no broker may own it. Enable it first.", pr.ID)}
	case p.verdict().State == StateLost:
		return &Violation{Code: CodeProviderNotMovable,
			Detail: "The brokers of the Site that are online and in contact are no majority, so none may own a Provider. Bring brokers back first."}
	}
	return nil
}

// CheckDeleteSite refuses to delete a Site that is in use.
func CheckDeleteSite(p *Picture) error {
	if len(p.Presence) > 0 {
		return &Violation{Code: CodeBrokerOnline, Detail: fmt.Sprintf("%s online in the Site. Stop %s first, then delete the Site.",
			isAre(len(p.Presence), "broker"), plural(len(p.Presence), "its server", "their servers"))}
	}
	if n := len(p.Providers); n > 0 {
		return &Violation{Code: CodeSiteNotEmpty, Detail: fmt.Sprintf("The Site has %s. Delete %s first.", count(n, "Provider"), plural(n, "it", "them"))}
	}
	return nil
}

// MoveUp returns the brokers whose priority changes when one moves a place up
// in the order; none if it is first. MoveDown is the reverse.
func MoveUp(p *Picture, id BrokerID) []Broker   { return p.shift(id, -1) }
func MoveDown(p *Picture, id BrokerID) []Broker { return p.shift(id, +1) }

func (p *Picture) shift(id BrokerID, by int) []Broker {
	order := p.InOrder()
	i := slices.IndexFunc(order, func(b Broker) bool { return b.ID == id })
	j := i + by
	if i < 0 || j < 0 || j >= len(order) {
		return nil
	}
	order[i], order[j] = order[j], order[i]
	var changed []Broker
	for place, b := range order {
		if b.Priority != place {
			b.Priority = place
			changed = append(changed, b)
		}
	}
	return changed
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func isAre(n int, noun string) string { return count(n, noun) + plural(n, " is", " are") }

func list(names []string) string { return strings.Join(names, ", ") }
