package farm

import (
	"fmt"
	"slices"
	"time"
)

// ProviderState is how a Provider stands, as people see it.
type ProviderState string

const (
	ProviderConnected   ProviderState = "connected"
	ProviderConnecting  ProviderState = "connecting"
	ProviderFailed      ProviderState = "failed"
	ProviderUnavailable ProviderState = "unavailable"
	ProviderAbandoned   ProviderState = "abandoned"
	ProviderDisabled    ProviderState = "disabled"
)

// ProviderStatus is what can be said of a Provider.
type ProviderStatus struct {
	State       ProviderState
	Reason      Reason
	Message     string
	Since       time.Time
	Owner       BrokerID
	Epoch       Epoch
	Home        BrokerID
	Preference  PreferenceStatus
	OwnerSince  time.Time
	OwnerReason Reason
	Hosts       int
	Available   int // Hosts available to users
}

// PreferenceStatus says whether a Provider's preference is honoured.
type PreferenceStatus struct {
	Honored bool
	Reason  Reason
	Message string
}

// BrokerState says whether a broker is there.
type BrokerState string

const (
	BrokerOnline   BrokerState = "online"
	BrokerOffline  BrokerState = "offline"
	BrokerDisabled BrokerState = "disabled"
)

// Role is what a broker does now.
type Role string

const (
	RoleActive    Role = "active"
	RoleStandby   Role = "standby"
	RoleActivated Role = "activated" // standing in for a lost broker
	RoleIdle      Role = "idle"      // online, no seat and not standby
)

// BrokerStatus is what can be said of a broker.
type BrokerStatus struct {
	State       BrokerState
	Role        Role
	Draining    bool
	Occupies    BrokerID // the seat it sits on; empty: none
	StandsInFor BrokerID // whose seat that is, if not its own
	Since       time.Time
	Incarnation Incarnation
	Version     string
	Providers   int // that it owns
	Contact     map[BrokerID]bool
	Reason      Reason
	Message     string
}

// SiteStatus is what can be said of a Site.
type SiteStatus struct {
	HighAvailability HighAvailability
	Coordinator      BrokerID
	Brokers          BrokerCounts
	Providers        ProviderCounts
	Contact          map[BrokerID]map[BrokerID]bool // see Picture.Contact
	Warnings         []Warning
}

// HighAvailability is the verdict on a Site's high availability.
type HighAvailability struct {
	State    State
	Reason   Reason
	Message  string
	Since    time.Time
	Seats    []Seat
	Majority int
}

// BrokerCounts counts a Site's brokers.
type BrokerCounts struct{ Total, Online, Active, Standby int }

// ProviderCounts counts a Site's Providers by state; the states add up to Total.
type ProviderCounts struct{ Total, Connected, Connecting, Failed, Unavailable, Abandoned, Disabled int }

// Warning is something an administrator should look at; nothing is refused.
type Warning struct {
	Code    string
	Message string
}

// verdict is the stored verdict; without a coordinator, which would have kept
// it true, it is what the coordinator would find.
func (p *Picture) verdict() Seats {
	if p.Coordinator.Broker != "" && p.Seats.Revision != 0 {
		return p.Seats.Value
	}
	v, _ := judge(Situation{Picture: p})
	return v
}

// ProviderStatus says how a Provider stands.
func (p *Picture) ProviderStatus(id ProviderID) ProviderStatus {
	st := p.standing(id)
	if st.State == ProviderConnected {
		for _, h := range p.Hosts[id] {
			if h.Usable() {
				st.Available++
			}
		}
	}
	return st
}

// standing is the status without what takes a look at every Host.
func (p *Picture) standing(id ProviderID) ProviderStatus {
	c, o, v := p.Providers[id].Value, p.Owners[id].Value, p.verdict()
	alive := p.Alive(o.Owner())
	st := ProviderStatus{
		Owner: o.Broker, Epoch: o.Epoch, Home: o.Broker, OwnerSince: o.Since, OwnerReason: o.Reason,
		Since: o.Since, Hosts: len(p.Hosts[id]),
	}
	if want, _ := favourite(p, c, o); want != "" {
		st.Home = want
	}
	st.Preference = p.preference(c, o, v)
	r := p.Reports[id]
	switch {
	case !c.Enabled:
		st.State, st.Reason, st.Message = ProviderDisabled, ReasonProviderDisabled, "The Provider is disabled."
	case v.State == StateLost:
		st.State, st.Reason, st.Message = ProviderAbandoned, ReasonMajorityLost, v.Message
	case alive && r.Epoch == o.Epoch:
		st.State, st.Reason, st.Message, st.Since = ProviderState(r.State), r.Reason, r.Message, r.Since
	case alive:
		st.State, st.Message = ProviderConnecting, fmt.Sprintf("Broker %s is connecting.", o.Broker)
	default:
		st.State, st.Since = ProviderUnavailable, time.Time{} // the record's is older than the loss
		if o.Broker == "" {
			st.Since = o.Since
		}
		st.Reason, st.Message = p.whyUnowned(c, o, v)
	}
	return st
}

// whyUnowned says why nobody acts for an enabled Provider of a Site that has
// not lost its majority.
func (p *Picture) whyUnowned(c Provider, o Ownership, v Seats) (Reason, string) {
	switch {
	case v.State == StateOff && o.Broker != "":
		return ReasonHighAvailabilityOff, fmt.Sprintf("Broker %s is offline and high availability is off: the Provider waits for it. %s", o.Broker, v.Message)
	case v.State == StateOff && !p.takes(c, o, v):
		return ReasonHighAvailabilityOff, "No broker can own the Provider, and high availability is off. " + v.Message
	case o.Broker != "":
		return ReasonBrokerOffline, fmt.Sprintf("Broker %s is offline; no other broker has taken over yet.", o.Broker)
	case o.Epoch == 0:
		return ReasonInitial, "The Provider is waiting for its first owner."
	}
	return o.Reason, o.Message
}

// takes reports whether, while high availability is off, a broker can own a
// Provider that nobody owns, so that it only waits to be given to it.
func (p *Picture) takes(c Provider, o Ownership, v Seats) bool {
	want, _ := favourite(p, c, o)
	if want == "" && p.Brokers[o.Home].Value.HasSeat() {
		want = o.Home
	}
	if want == "" {
		return len(p.eligible(v)) > 0
	}
	reason, _ := obstacle(p, v, want)
	return reason == ""
}

// preference says whether a Provider is where its settings want it.
func (p *Picture) preference(c Provider, o Ownership, v Seats) PreferenceStatus {
	pinned := func(why string) PreferenceStatus {
		return PreferenceStatus{Reason: ReasonOperatorMove, Message: fmt.Sprintf("The operator moved it to %s%s", c.MovedTo, why)}
	}
	if c.Preferred.Mode != PreferenceManual {
		if c.MovedTo != "" {
			return pinned("; unpin it to let the Site choose.")
		}
		return PreferenceStatus{Honored: true}
	}
	want := c.Preferred.Broker
	switch {
	case o.Broker == want && p.Alive(o.Owner()):
		return PreferenceStatus{Honored: true}
	case c.MovedTo != "" && c.MovedTo != want:
		return pinned(fmt.Sprintf("; unpin it to let it go to %s.", want))
	case v.State == StateLost:
		return PreferenceStatus{Reason: ReasonMajorityLost, Message: v.Message}
	case !c.Enabled:
		return PreferenceStatus{Reason: ReasonProviderDisabled, Message: "The Provider is disabled."}
	}
	if reason, message := obstacleTo(p, v, want, c.ID); reason != "" {
		return PreferenceStatus{Reason: reason, Message: message}
	}
	if o.Home == want && p.Site.Value.Failback.Mode == FailbackManual {
		return PreferenceStatus{Reason: ReasonFailback, Message: fmt.Sprintf("Failback is manual: move the Provider to %s to bring it home.", want)}
	}
	return PreferenceStatus{Reason: ReasonPreferredAvailable, Message: fmt.Sprintf("It is about to move to %s.", want)}
}

// HostAvailable reports whether users can connect to a Host.
func (p *Picture) HostAvailable(provider ProviderID, h Host) bool {
	return h.Usable() && p.standing(provider).State == ProviderConnected
}

// BrokerStatus says how a broker stands.
func (p *Picture) BrokerStatus(id BrokerID) BrokerStatus {
	b, v := p.Brokers[id].Value, p.verdict()
	here, online := p.Presence[id]
	st := BrokerStatus{Draining: b.Draining, Contact: p.contact(id, p.Cuts())}
	for _, seat := range v.Seats {
		if seat.Occupant == id {
			st.Occupies = seat.Broker
			if seat.Broker != id {
				st.StandsInFor = seat.Broker
			}
		}
	}
	st.Providers = p.owned(id)
	switch {
	case st.StandsInFor != "":
		st.Role = RoleActivated
	case b.Mode == ModeStandby:
		st.Role = RoleStandby
	case st.Occupies == id || b.HasSeat() && !online:
		st.Role = RoleActive
	default:
		st.Role = RoleIdle
	}
	if online {
		st.Since, st.Incarnation, st.Version = here.Since, here.Incarnation, here.Version
	}
	switch {
	case !b.Enabled:
		st.State, st.Reason, st.Message = BrokerDisabled, ReasonBrokerDisabled, "The broker is disabled."
	case !online:
		st.State, st.Reason, st.Message = BrokerOffline, ReasonBrokerOffline, "No server is registered as this broker."
		st.Since = p.offlineSince(id)
	default:
		st.State = BrokerOnline
		if b.HasSeat() || st.Occupies != "" {
			st.Reason, st.Message = obstacle(p, v, id)
		}
		if p.stuck(id, v) {
			st.Message += " It cannot be emptied: no other broker is eligible."
		}
	}
	return st
}

// stuck reports whether a draining broker has Providers and nobody to hand them
// over to.
func (p *Picture) stuck(id BrokerID, v Seats) bool {
	return p.Brokers[id].Value.Draining && slices.Contains(v.Serving, id) && len(p.eligible(v)) == 0 && p.owned(id) > 0
}

// owned counts the Providers that a broker owns now.
func (p *Picture) owned(id BrokerID) (n int) {
	for provider := range p.Providers {
		if o := p.Owners[provider].Value; o.Broker == id && p.Alive(o.Owner()) {
			n++
		}
	}
	return n
}

// offlineSince is when a broker went offline, if that is among the events kept.
func (p *Picture) offlineSince(id BrokerID) time.Time {
	for _, e := range slices.Backward(p.Events) {
		if e.Type == EventBrokerOffline && e.Subject == BrokerSubject(id) {
			return e.Time
		}
	}
	return time.Time{}
}

// SiteStatus says how the Site stands.
func (p *Picture) SiteStatus() SiteStatus {
	v := p.verdict()
	st := SiteStatus{
		HighAvailability: HighAvailability{
			State: v.State, Reason: v.Reason, Message: v.Message, Since: v.Since,
			Seats: v.Seats, Majority: Majority(len(v.Seats)),
		},
		Coordinator: p.Coordinator.Broker,
		Brokers:     BrokerCounts{Total: len(p.Brokers), Online: len(p.Presence)},
		Providers:   ProviderCounts{Total: len(p.Providers)},
		Contact:     p.Contact(),
	}
	for id := range p.Brokers {
		switch p.BrokerStatus(id).Role {
		case RoleActive, RoleActivated:
			if p.Online(id) {
				st.Brokers.Active++
			}
		case RoleStandby:
			if p.Online(id) {
				st.Brokers.Standby++
			}
		case RoleIdle:
		}
	}
	for id := range p.Providers {
		switch p.standing(id).State {
		case ProviderConnected:
			st.Providers.Connected++
		case ProviderFailed:
			st.Providers.Failed++
		case ProviderUnavailable:
			st.Providers.Unavailable++
		case ProviderAbandoned:
			st.Providers.Abandoned++
		case ProviderConnecting:
			st.Providers.Connecting++
		case ProviderDisabled:
			st.Providers.Disabled++
		}
	}
	st.Warnings = p.warnings(v)
	return st
}

func (p *Picture) warnings(v Seats) []Warning {
	var ws []Warning
	warn := func(code, format string, args ...any) {
		ws = append(ws, Warning{Code: code, Message: fmt.Sprintf(format, args...)})
	}
	n := len(v.Seats)
	if n < MinSeats {
		warn("fewer-than-three-seats", "The Site has %s; high availability needs %d. Add active brokers.", count(n, "seat"), MinSeats)
	} else if n%2 == 0 {
		warn("even-seat-count", "The Site has %d seats. An odd number is better: a cut into two halves leaves neither with a majority.", n)
	}
	if p.Coordinator.Broker == "" && len(p.Presence) > 0 {
		warn("no-coordinator", "No broker coordinates the Site at this moment; nothing is decided until one is elected.")
	}
	if len(p.Unreadable.Keys) > 0 {
		warn("unreadable", "%s", p.Unreadable.warning())
	}
	for _, b := range p.InOrder() {
		if p.stuck(b.ID, v) {
			warn("drain-cannot-finish", "Broker %s is draining and cannot be emptied: no other broker is eligible. Undrain a broker, or start another one.", b.ID)
		}
	}
	if v.State == StateDegraded {
		if left := len(v.Serving) - Majority(n); left <= 0 {
			warn("no-loss-tolerated", "%s serve and a majority is %d: if one more is lost, every Provider is abandoned.", count(len(v.Serving), "seat"), Majority(n))
		}
	}
	return ws
}
