package farm

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// Situation is all that a plan is made from.
type Situation struct {
	Picture *Picture
	Now     time.Time // for people to read; no rule depends on it
	// Back is how long the coordinator itself has seen each broker's present
	// incarnation, by its own clock.
	Back map[BrokerID]time.Duration
	// Decider is who decides; empty: one who may.
	Decider BrokerID
	// Cuts are those that count: the picture's own, once they have settled.
	Cuts Cuts
}

// Reasons of a Site's high-availability state, besides ReasonMajorityLost.
const (
	ReasonAllSeatsOccupied  Reason = "all-seats-occupied"
	ReasonTooFewSeats       Reason = "fewer-than-three-seats"
	ReasonWaitingForBrokers Reason = "waiting-for-three-brokers"
	ReasonSeatEmpty         Reason = "seat-empty"
	ReasonSeatOutOfContact  Reason = "seat-out-of-contact"
	ReasonTieBreaker        Reason = "tie-breaker"
	maxHoldDown                    = 10 * time.Minute
	steadyHoldDowns                = 10 // back for so many hold-downs, a loss is forgotten
	reasonHoldDown          Reason = ReasonFailback
)

// Majority of n seats: the smallest number that is strictly more than half.
func Majority(n int) int { return n/2 + 1 }

// holdDown is how long a broker must be back after having flapped so often.
func holdDown(site Site, flaps int) time.Duration {
	hold := site.Failback.HoldDown
	for range flaps {
		if hold >= maxHoldDown {
			break
		}
		hold = min(2*hold, maxHoldDown)
	}
	return hold
}

// judge gives the verdict on the Site, and how long until it may change by
// itself (0: it will not).
func judge(s Situation) (v Seats, wake time.Duration) {
	p, was := s.Picture, s.Picture.Seats.Value
	own := p.seats()
	v = Seats{Armed: was.Armed, Since: was.Since, Epoch: was.Epoch, Online: map[BrokerID]Incarnation{}}
	for id, here := range p.Presence {
		v.Online[id] = here.Incarnation
	}
	present := 0
	for _, id := range own {
		if p.Online(id) {
			present++
		}
	}
	switch {
	case len(own) < MinSeats:
		v.Armed = false
	case present >= MinSeats:
		v.Armed = true
	}
	if v.Armed {
		v.Returns, wake = s.returns()
	}
	v.Seats = p.occupy(own, v, true)
	v.serve(p.Site.Value, s.Cuts)
	if v.State == StateLost {
		v = v.withoutWaiting(s, own)
	}
	if s.Decider != "" && !p.MayDecide(s.Decider) {
		v.withhold(was)
	}
	if v.State != was.State {
		v.Since = s.Now
	}
	if v.differs(was) {
		v.Epoch++
	}
	return v, wake
}

// MayDecide reports whether a broker may give Providers away. With failsafe, those
// that were online at the last verdict may keep what they own while they tell each
// other that none of them has storage: so only one of them, who has it and tells
// them so, may. One that came later does not know what they do.
func (p *Picture) MayDecide(id BrokerID) bool {
	deciders := p.Seats.Value.Deciders()
	return !p.Site.Value.Failsafe || len(deciders) == 0 || slices.Contains(deciders, id)
}

// MayServeWithoutStorage reports whether owners may go on while nobody has storage,
// if all Deciders promise it.
func (p *Picture) MayServeWithoutStorage() bool {
	v := p.Seats.Value
	return p.Site.Value.Failsafe && v.Armed && v.State != StateLost
}

// Deciders are who alone may decide after this verdict while failsafe is on, in
// order; none: anybody may, since nobody keeps serving without storage.
func (v Seats) Deciders() []BrokerID {
	if !v.Armed || v.State == StateLost {
		return v.Electors
	}
	return slices.Sorted(maps.Keys(v.Online))
}

// MayStand reports whether a broker may stand for coordinator: one that may decide,
// or any while none of those is there, to say that.
func (p *Picture) MayStand(id BrokerID) bool {
	return p.MayDecide(id) || !slices.ContainsFunc(p.Seats.Value.Deciders(), p.Online)
}

// withhold is the verdict of one who may not decide.
func (v *Seats) withhold(was Seats) {
	v.State, v.Reason, v.Serving, v.Electors = StateLost, ReasonMajorityLost, nil, was.Deciders()
	v.Message = "None of the brokers that were here before is left. They may keep their Providers without storage, so nobody takes them over until one of them is back. Turn the Site's failsafe off if you know that they are down."
}

// withoutWaiting is the verdict if brokers that have come back take their seats
// at once, so that their stand-ins are free for empty ones; v if that makes no
// majority either. While nobody is served, no hold-down protects anything.
func (v Seats) withoutWaiting(s Situation, own []BrokerID) Seats {
	tried := v
	tried.Seats = s.Picture.occupy(own, v, false)
	tried.serve(s.Picture.Site.Value, s.Cuts)
	if tried.State == StateLost {
		return v
	}
	return tried
}

func (v Seats) differs(was Seats) bool {
	v.Epoch, v.Since = was.Epoch, was.Since
	// An empty map and none are the same verdict.
	for _, m := range []*Seats{&v, &was} {
		if len(m.Returns) == 0 {
			m.Returns = nil
		}
		if len(m.Online) == 0 {
			m.Online = nil
		}
		if len(m.Seats) == 0 {
			m.Seats = nil
		}
		if len(m.Serving) == 0 {
			m.Serving = nil
		}
		if len(m.Electors) == 0 {
			m.Electors = nil
		}
	}
	return !reflect.DeepEqual(v, was)
}

// returns carries the memory of lost brokers on: who is held back now.
func (s Situation) returns() (next map[BrokerID]Return, wake time.Duration) {
	p, was := s.Picture, s.Picture.Seats.Value
	next = maps.Clone(was.Returns)
	if next == nil {
		next = map[BrokerID]Return{}
	}
	until := func(d time.Duration) {
		if wake == 0 || d < wake {
			wake = d
		}
	}
	for id := range p.Brokers {
		r, known := was.Returns[id]
		now := p.Presence[id].Incarnation
		switch {
		case !known && was.Online[id] != 0 && was.Online[id] != now:
			r = Return{Held: true, Incarnation: now}
		case !known:
			continue
		case r.Incarnation != 0 && r.Incarnation != now:
			r = Return{Held: true, Incarnation: now, Flaps: r.Flaps + 1}
		default:
			r.Incarnation = now
		}
		switch {
		case now == 0:
		case !p.staying(id):
			// As good as gone: its end, which it has announced, is no loss.
			r.Held, r.Incarnation = true, 0
		default:
			hold, back := holdDown(p.Site.Value, r.Flaps), s.Back[id]
			if back >= hold {
				r.Held = false
			}
			if back >= steadyHoldDowns*hold {
				delete(next, id)
				continue
			}
			if r.Held {
				until(hold - back)
			} else {
				until(steadyHoldDowns*hold - back)
			}
		}
		next[id] = r
	}
	for id := range next {
		if _, ok := p.Brokers[id]; !ok {
			delete(next, id)
		}
	}
	return next, wake
}

// occupy says who sits on each seat: its own broker if it is there (and, where
// a standby stands in for it, has been back for the hold-down, if it must wait
// for that); else, in an
// armed Site, the standby that stood in so far; else the first that can. A
// broker that shuts down is as good as gone if a standby can take its seat: so
// its Providers move once.
func (p *Picture) occupy(own []BrokerID, v Seats, wait bool) []Seat {
	stoodIn := map[BrokerID]BrokerID{}
	taken := map[BrokerID]bool{}
	standby := func(id BrokerID) bool {
		b, ok := p.Brokers[id]
		return ok && p.Online(id) && b.Value.Enabled && b.Value.Mode == ModeStandby
	}
	for _, s := range p.Seats.Value.Seats {
		if v.Armed && s.Occupant != s.Broker && standby(s.Occupant) && slices.Contains(own, s.Broker) {
			if !p.staying(s.Broker) || wait && v.Returns[s.Broker].Held {
				stoodIn[s.Broker] = s.Occupant
				taken[s.Occupant] = true
			}
		}
	}
	var seats []Seat
	order := p.InOrder()
	for _, id := range own {
		seat := Seat{Broker: id}
		switch {
		case stoodIn[id] != "":
			seat.Occupant = stoodIn[id]
		case p.staying(id):
			seat.Occupant = id
		default:
			if p.Online(id) {
				seat.Occupant = id // until it is gone, unless a standby is there
			}
			if i := slices.IndexFunc(order, func(b Broker) bool {
				return v.Armed && standby(b.ID) && !taken[b.ID] && !b.Draining && p.staying(b.ID)
			}); i >= 0 {
				seat.Occupant = order[i].ID
				taken[seat.Occupant] = true
			}
		}
		seats = append(seats, seat)
	}
	return seats
}

// staying reports whether a broker is online and does not say that it is about
// to go.
func (p *Picture) staying(id BrokerID) bool { return p.Online(id) && !p.Presence[id].Leaving }

// serve finds the serving group and says how high availability stands.
func (v *Seats) serve(site Site, cuts Cuts) {
	n := len(v.Seats)
	var occupants []BrokerID
	for _, s := range v.Seats {
		if s.Occupant != "" {
			occupants = append(occupants, s.Occupant)
		}
	}
	if !v.Armed {
		v.State, v.Serving = StateOff, occupants
		if n < MinSeats {
			v.Reason = ReasonTooFewSeats
			v.Message = fmt.Sprintf("High availability needs %d enabled active brokers; the Site has %d.", MinSeats, n)
		} else {
			v.Reason = ReasonWaitingForBrokers
			v.Message = fmt.Sprintf("High availability turns on once %d active brokers are online together; %s.", MinSeats, isAre(len(occupants), "active broker")+" online")
		}
		return
	}
	group := largestGroup(occupants, cuts)
	majority := Majority(n)
	tie := 2*len(group) == n && site.TieBreaker == TieBreakerPriority
	if tie {
		half := halfWithFirstSeat(v.Seats[0].Occupant, occupants, cuts, n/2)
		if tie = half != nil; tie {
			group = half
		}
	}
	switch {
	case len(group) < majority && !tie:
		v.State, v.Reason = StateLost, ReasonMajorityLost
		v.Message = fmt.Sprintf("%s in contact; a majority is %d. Every Provider is abandoned until a majority is back.", of(len(group), n), majority)
		return
	case len(group) == n:
		v.State, v.Reason = StateOn, ReasonAllSeatsOccupied
		v.Message = fmt.Sprintf("%d of %d seats are occupied; a majority is %d.", n, n, majority)
	case tie:
		v.State, v.Reason = StateDegraded, ReasonTieBreaker
		v.Message = fmt.Sprintf("%s in contact, a tie; the half with the first seat serves.", of(len(group), n))
	case len(occupants) < n:
		v.State, v.Reason = StateDegraded, ReasonSeatEmpty
		v.Message = fmt.Sprintf("%d of %d seats are occupied; a majority is %d.", len(occupants), n, majority)
	default:
		v.State, v.Reason = StateDegraded, ReasonSeatOutOfContact
		v.Message = fmt.Sprintf("%s in contact; a majority is %d.", of(len(group), n), majority)
	}
	v.Serving = group
}

func of(n, all int) string {
	if n == 1 {
		return fmt.Sprintf("1 of %d seats is", all)
	}
	return fmt.Sprintf("%d of %d seats are", n, all)
}

// halfWithFirstSeat is the group of that size around the first seat's occupant,
// nil if there is none.
func halfWithFirstSeat(first BrokerID, occupants []BrokerID, cuts Cuts, size int) []BrokerID {
	if first == "" {
		return nil
	}
	var near []BrokerID
	for _, b := range occupants {
		if b == first || !cuts.between(first, b) {
			near = append(near, b)
		}
	}
	if group := largestGroup(near, cuts); len(group) == size && slices.Contains(group, first) {
		return group
	}
	return nil
}

// tell says what the verdict changes, as events.
func (v Seats) tell(s Situation) []Event {
	p, was := s.Picture, s.Picture.Seats.Value
	var events []Event
	add := func(e Event) {
		e.Time = s.Now
		events = append(events, e)
	}
	for _, id := range slices.Sorted(maps.Keys(was.Online)) {
		if now := v.Online[id]; now != was.Online[id] {
			add(Event{Type: EventBrokerOffline, Subject: BrokerSubject(id), From: string(BrokerOnline), To: string(BrokerOffline),
				Reason: ReasonBrokerOffline, Message: fmt.Sprintf("Broker %s is offline: its presence is gone.", id)})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.Providers)) {
		o := p.Owners[id].Value
		if v.State != StateOff || !p.Providers[id].Value.Enabled || o.Broker == "" || p.Alive(o.Owner()) || was.Online[o.Broker] != o.Incarnation {
			continue
		}
		// Nobody takes over, so no change of owner will tell of it.
		reason, message := p.whyUnowned(p.Providers[id].Value, o, v)
		add(Event{Type: EventStateChanged, Subject: ProviderSubject(id), From: string(p.Reports[id].State), To: string(ProviderUnavailable),
			Epoch: o.Epoch, Reason: reason, Message: message, Cause: BrokerSubject(o.Broker)})
	}
	for _, id := range slices.Sorted(maps.Keys(v.Online)) {
		if v.Online[id] != was.Online[id] {
			add(Event{Type: EventBrokerOnline, Subject: BrokerSubject(id), From: string(BrokerOffline), To: string(BrokerOnline),
				Message: fmt.Sprintf("Broker %s is online.", id)})
		}
	}
	standIns := func(seats []Seat) map[BrokerID]BrokerID {
		m := map[BrokerID]BrokerID{}
		for _, seat := range seats {
			if seat.Occupant != "" && seat.Occupant != seat.Broker {
				m[seat.Occupant] = seat.Broker
			}
		}
		return m
	}
	before, after := standIns(was.Seats), standIns(v.Seats)
	for _, id := range slices.Sorted(maps.Keys(before)) {
		if seat := before[id]; after[id] != seat {
			add(Event{Type: EventReleased, Subject: BrokerSubject(id), From: string(seat), Reason: ReasonStandbyReleased,
				Message: fmt.Sprintf("Broker %s no longer stands in for %s.", id, seat), Cause: BrokerSubject(seat)})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(after)) {
		if seat := after[id]; before[id] != seat {
			add(Event{Type: EventActivated, Subject: BrokerSubject(id), To: string(seat), Reason: ReasonStandbyActivated,
				Message: fmt.Sprintf("Broker %s stands in for %s, which is %s.", id, seat, map[bool]string{true: "shutting down", false: "offline"}[p.Online(seat)]), Cause: BrokerSubject(seat)})
		}
	}
	if v.State != was.State && p.Seats.Revision != 0 {
		e := Event{Type: EventHAChanged, Subject: SiteSubject, From: string(was.State), To: string(v.State), Reason: v.Reason, Message: v.Message}
		if v.Armed != was.Armed {
			e.Reason = ReasonHighAvailabilityOff
			if v.Armed {
				e.Reason = ReasonHighAvailabilityOn
			}
		}
		add(e)
	}
	return events
}
