package farm

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Outcome is what a plan asks for. Applying it means: store the verdict, then
// each decision.
type Outcome struct {
	Seats     *Seats // nil: the verdict stands as it is
	Events    []Event
	Decisions []Decision // in order of Provider
	Refusals  []Refusal  // in order of Provider
	// Wake is how long until a plan of the same picture may be another one;
	// 0: never.
	Wake time.Duration
}

// Plan decides who owns what: the one function behind every takeover, handover
// and refusal, and behind every prediction of them.
func Plan(s Situation) Outcome {
	verdict, wake := judge(s)
	out := Outcome{Wake: wake}
	if verdict.differs(s.Picture.Seats.Value) {
		out.Seats = &verdict
		out.Events = verdict.tell(s)
	}
	pl := newPlanner(s, verdict)
	for _, id := range pl.ids() {
		pl.settle(id)
	}
	pl.place()
	pl.expect()
	pl.balance()
	pl.bringHome()
	out.Decisions, out.Refusals = pl.result()
	return out
}

// planner holds one planning. Providers that must find a new owner wait in
// unplaced until everybody who stays is counted.
type planner struct {
	Situation
	p        *Picture
	v        Seats
	arming   bool // high availability turns on with this very plan
	eligible map[BrokerID]bool
	load     map[BrokerID]int  // Providers each eligible broker has, or will have
	moves    int               // planned handovers under way
	awaited  map[BrokerID]bool // the operator is to move Providers home to it
	unplaced []placing

	decisions map[ProviderID]Decision
	refusals  map[ProviderID]Refusal
	settled   map[ProviderID]BrokerID // who has it in the end; only those that balance may move
	placed    map[ProviderID]placing  // those that get a new owner at once
	homeward  map[ProviderID]homecoming
	waiting   []waiting
}

// placing is a Provider that needs an owner, any eligible one.
type placing struct {
	id      ProviderID
	planned bool // its present owner is there and hands it over
	urgent  bool // not counted against the limit of parallel moves
	reason  Reason
	because string // the first half of the message
	// waitsFor is its home, if that has just come back: it is to go there soon.
	waitsFor BrokerID
}

func newPlanner(s Situation, v Seats) *planner {
	pl := &planner{
		Situation: s, p: s.Picture, v: v,
		arming:    v.Armed && !s.Picture.Seats.Value.Armed,
		eligible:  map[BrokerID]bool{},
		load:      map[BrokerID]int{},
		awaited:   map[BrokerID]bool{},
		decisions: map[ProviderID]Decision{},
		refusals:  map[ProviderID]Refusal{},
		settled:   map[ProviderID]BrokerID{},
		placed:    map[ProviderID]placing{},
		homeward:  map[ProviderID]homecoming{},
	}
	for _, id := range s.Picture.eligible(v) {
		pl.eligible[id] = true
	}
	for id := range s.Picture.Owners {
		if pl.underWay(id) {
			pl.moves++
		}
	}
	return pl
}

// eligible is who may own Providers by a verdict.
func (p *Picture) eligible(v Seats) (ids []BrokerID) {
	for _, id := range v.Serving {
		if !p.Brokers[id].Value.Draining && !p.Presence[id].Leaving {
			ids = append(ids, id)
		}
	}
	return ids
}

// underWay reports whether a planned handover is on its way and may go on.
func (pl *planner) underWay(id ProviderID) bool {
	o := pl.p.Owners[id].Value
	return o.Target != "" && pl.p.Providers[id].Value.Enabled && pl.p.Alive(o.Owner()) &&
		pl.eligible[o.Target] && pl.p.Alive(Life{o.Target, o.TargetIncarnation})
}

// ids are all Providers, and those of which only the ownership is left.
func (pl *planner) ids() []ProviderID {
	all := map[ProviderID]bool{}
	for id := range pl.p.Providers {
		all[id] = true
	}
	for id := range pl.p.Owners {
		all[id] = true
	}
	return slices.Sorted(maps.Keys(all))
}

// settle decides what can be decided of one Provider without looking at others.
func (pl *planner) settle(id ProviderID) {
	config, exists := pl.p.Providers[id]
	o := pl.p.Owners[id].Value
	switch {
	case !exists:
		pl.withdraw(id, ReasonProviderDeleted, "The Provider was deleted.")
	case !config.Value.Enabled:
		pl.withdraw(id, ReasonProviderDisabled, "The Provider is disabled.")
	case pl.v.State == StateLost:
		pl.withdraw(id, ReasonMajorityLost, pl.v.Message)
		pl.refuse(id, "", ReasonMajorityLost, pl.v.Message)
	case o.Releasing != "" && pl.p.Alive(Life{o.Releasing, o.ReleasingIncarnation}):
		pl.refuse(id, "", o.Reason, fmt.Sprintf("%s is still stopping its agent.", o.Releasing))
	case pl.p.Alive(o.Owner()):
		pl.keepOrMove(id, config.Value, o)
	default:
		pl.replace(id, config.Value, o)
	}
}

// favourite is the broker a Provider wants to be at, and the reason of a move
// there; empty if it wants none in particular.
func favourite(p *Picture, c Provider, o Ownership) (BrokerID, Reason) {
	seat := func(b BrokerID) bool { x, ok := p.Brokers[b]; return ok && x.Value.HasSeat() }
	switch {
	case c.MovedTo != "":
		return c.MovedTo, ReasonOperatorMove
	case c.Preferred.Mode == PreferenceManual:
		return c.Preferred.Broker, ReasonPreferredAvailable
	case o.Home != "" && seat(o.Home):
		return o.Home, ReasonFailback
	}
	return "", ""
}

func (pl *planner) obstacle(b BrokerID) (Reason, string) { return obstacle(pl.p, pl.v, b) }

// obstacleTo is obstacle, or that the broker does not reach the Provider.
func obstacleTo(p *Picture, v Seats, b BrokerID, id ProviderID) (Reason, string) {
	if reason, message := obstacle(p, v, b); reason != "" {
		return reason, message
	}
	return noWay(p, v, b, id)
}

// obstacle says why a Provider cannot be given to a broker now; empty: it can.
func obstacle(p *Picture, v Seats, b BrokerID) (Reason, string) {
	config, ok := p.Brokers[b]
	switch {
	case !ok:
		return ReasonBrokerOffline, fmt.Sprintf("Broker %s does not exist.", b)
	case !config.Value.Enabled:
		return ReasonBrokerDisabled, fmt.Sprintf("Broker %s is disabled.", b)
	case !p.Online(b):
		return ReasonBrokerOffline, fmt.Sprintf("Broker %s is offline.", b)
	case p.Presence[b].Leaving:
		return ReasonBrokerDraining, fmt.Sprintf("Broker %s is shutting down.", b)
	case config.Value.Draining:
		return ReasonBrokerDraining, fmt.Sprintf("Broker %s is draining.", b)
	case config.Value.Mode == ModeStandby && !v.seated(b):
		return ReasonStandbyReleased, fmt.Sprintf("Broker %s is standby; it owns Providers only while it stands in for a lost broker.", b)
	case !v.seated(b) && v.Returns[b].Held:
		return reasonHoldDown, fmt.Sprintf("Broker %s has just come back; it takes its seat again once it has been steady for its hold-down of %s.", b, holdDown(p.Site.Value, v.Returns[b].Flaps))
	case !v.seated(b):
		return ReasonStandbyReleased, fmt.Sprintf("Broker %s sits on no seat.", b)
	case !slices.Contains(v.Serving, b):
		return ReasonBrokerOutOfContact, outOfContact(b)
	case v.Returns[b].Held:
		return reasonHoldDown, fmt.Sprintf("Broker %s has just come back; Providers return once it has been steady for its hold-down of %s.", b, holdDown(p.Site.Value, v.Returns[b].Flaps))
	}
	return "", ""
}

func outOfContact(b BrokerID) string {
	return fmt.Sprintf("Broker %s is not in contact with the majority.", b)
}

func (pl *planner) held(b BrokerID) bool { return pl.v.Returns[b].Held }

func (v Seats) seated(b BrokerID) bool {
	return slices.ContainsFunc(v.Seats, func(s Seat) bool { return s.Occupant == b })
}

// keepOrMove decides for a Provider whose owner is there.
func (pl *planner) keepOrMove(id ProviderID, c Provider, o Ownership) {
	if pl.underWay(id) {
		pl.load[o.Target]++
		if o.TargetHome == o.Broker && pl.eligible[o.Broker] && pl.goesHome(ReasonFailback) {
			pl.wait(o.Target, o.Broker) // the drain is over, and it comes back
		}
		return
	}
	if o.Target != "" {
		o = Cancelled(o)
		defer func() {
			if _, decided := pl.decisions[id]; !decided {
				pl.put(id, o)
			}
		}()
	}
	want, why := favourite(pl.p, c, o)
	if !pl.eligible[o.Broker] {
		pl.leave(id, c, o)
		return
	}
	if pl.blind(id, o) {
		pl.unplaced = append(pl.unplaced, placing{id: id, planned: true, urgent: true, reason: ReasonProviderUnreachable,
			because: fmt.Sprintf("Broker %s cannot reach the Provider, and another one can.", o.Broker)})
		return
	}
	if want == "" || want == o.Broker {
		pl.stay(id, c, o)
		return
	}
	// Home set to the favourite means that the Provider left it by a loss or a
	// drain, so that going there is failback.
	back := o.Home == want
	reason, message := pl.hindrance(id, want, why, back)
	goesHome := pl.goesHome(why)
	switch {
	case reason == reasonHoldDown && goesHome:
		pl.refuse(id, want, reason, message)
		pl.load[o.Broker]++
		pl.wait(o.Broker, want)
		return
	case reason != "":
		pl.refuse(id, want, reason, message)
		pl.stay(id, c, o)
		return
	case pl.v.State == StateOff && why == ReasonFailback:
		pl.refuse(id, want, ReasonHighAvailabilityOff, "High availability is off, so nothing moves by itself.")
		pl.stay(id, c, o)
		return
	case back && why != ReasonOperatorMove && pl.p.Site.Value.Failback.Mode == FailbackManual:
		pl.refuse(id, want, ReasonFailback, fmt.Sprintf("Failback is manual: move the Provider to %s to bring it home.", want))
		pl.load[o.Broker]++
		pl.awaited[want] = true
		return
	}
	if goesHome {
		pl.comeHome(homecoming{placing: placing{id: id, reason: why}, owner: o, home: want,
			message: fmt.Sprintf("Its home %s is back.", want), mayStay: true})
		return
	}
	message = map[Reason]string{
		ReasonOperatorMove:       "The operator moved it to %s.",
		ReasonPreferredAvailable: "Its Preferred Connection Broker %s is available.",
	}[why]
	if back && why == ReasonPreferredAvailable {
		why = ReasonFailback
	}
	pl.handover(id, o, want, why, fmt.Sprintf(message, want), false)
}

// goesHome reports whether a move for that reason is that of an Automatic
// Provider going home by itself.
func (pl *planner) goesHome(why Reason) bool {
	return why == ReasonFailback && pl.p.Site.Value.Failback.Mode != FailbackManual
}

// hindrance is obstacle, except that an operator's move does not wait for a
// hold-down: the operator knows best. Going back there after a loss does.
func (pl *planner) hindrance(id ProviderID, want BrokerID, why Reason, back bool) (Reason, string) {
	reason, message := obstacleTo(pl.p, pl.v, want, id)
	if reason == reasonHoldDown && why == ReasonOperatorMove && !back && pl.eligible[want] {
		return "", ""
	}
	return reason, message
}

func (pl *planner) stay(id ProviderID, c Provider, o Ownership) {
	pl.load[o.Broker]++
	pl.rest(id, c, o.Broker)
}

// rest notes who has a Provider in the end, if balance may move it from there.
func (pl *planner) rest(id ProviderID, c Provider, b BrokerID) {
	if c.Preferred.Mode != PreferenceManual && c.MovedTo == "" {
		pl.settled[id] = b
	}
}

// leave moves a Provider away from an owner that is there but may not keep it.
func (pl *planner) leave(id ProviderID, c Provider, o Ownership) {
	reason, message := pl.obstacle(o.Broker)
	leaving := pl.p.Presence[o.Broker].Leaving
	switch {
	case leaving:
	case pl.v.seated(o.Broker) && !slices.Contains(pl.v.Serving, o.Broker):
		// Whatever else it is: outside the serving group it may hold nothing.
		reason, message = ReasonBrokerOutOfContact, outOfContact(o.Broker)
	case reason == ReasonBrokerDraining:
		reason = ReasonOperatorDrain
	case reason == reasonHoldDown || reason == "":
		reason = ReasonStandbyReleased
	case pl.p.Brokers[o.Broker].Value.Mode == ModeStandby && reason == ReasonStandbyReleased:
		message = fmt.Sprintf("Broker %s is standby.", o.Broker)
	}
	if leaving && pl.v.State == StateOff {
		// No takeover while high availability is off: it waits for its broker.
		pl.refuse(id, "", ReasonHighAvailabilityOff, message+" High availability is off, so the Provider waits for it.")
		return
	}
	pl.unplaced = append(pl.unplaced, placing{
		id: id, planned: true, urgent: leaving || reason == ReasonBrokerOutOfContact,
		reason: reason, because: message,
	})
}

// replace finds an owner for a Provider that has none, or a dead one.
func (pl *planner) replace(id ProviderID, c Provider, o Ownership) {
	if pl.v.State == StateOff {
		pl.replaceOff(id, c, o)
		return
	}
	pl.unplaced = append(pl.unplaced, pl.lost(id, o))
}

// lost says why a Provider without a living owner needs one.
func (pl *planner) lost(id ProviderID, o Ownership) placing {
	w := placing{id: id}
	switch {
	case o.Epoch == 0, o.Broker == "" && o.Reason == ReasonProviderDeleted:
		w.reason, w.because = ReasonInitial, "The Provider is new."
	case pl.arming:
		w.reason, w.because = ReasonHighAvailabilityOn, "High availability is on."
	case o.Broker != "":
		w.reason, w.because = ReasonBrokerOffline, fmt.Sprintf("Broker %s is offline.", o.Broker)
		if pl.p.Online(o.Broker) {
			w.because = fmt.Sprintf("Broker %s was offline and has come back.", o.Broker)
		}
	case o.Reason == ReasonMajorityLost && pl.v.Armed:
		w.reason, w.because = ReasonMajorityRegained, "A majority is back."
	case o.Reason == ReasonMajorityLost:
		w.reason, w.because = ReasonHighAvailabilityOff, "High availability is off."
	case o.Reason == ReasonProviderDisabled:
		w.reason, w.because = ReasonInitial, "The Provider is enabled."
	default:
		w.reason, w.because = o.Reason, o.Message
	}
	return w
}

// replaceOff is replace while high availability is off: a Provider waits for
// its own broker, unless the operator names another one or has removed it.
func (pl *planner) replaceOff(id ProviderID, c Provider, o Ownership) {
	former := cmp.Or(o.Broker, o.Home)
	want, why := favourite(pl.p, c, o)
	config, exists := pl.p.Brokers[former]
	w := pl.lost(id, o)
	switch {
	case want != "" && want != former && (former != "" || why != ReasonFailback):
		if reason, message := pl.obstacle(want); reason != "" {
			pl.refuse(id, want, ReasonHighAvailabilityOff, message+" High availability is off, so the Provider waits for it.")
			return
		}
		if o.Epoch != 0 {
			w.reason, w.because = why, fmt.Sprintf("It is to be at %s.", want)
		}
		pl.assign(id, o, want, w)
	case former != "" && exists && config.Value.HasSeat():
		if reason, message := pl.obstacle(former); reason != "" {
			pl.refuse(id, former, ReasonHighAvailabilityOff, message+" High availability is off, so the Provider waits for it.")
			return
		}
		if w.reason == ReasonBrokerOffline {
			w.reason, w.because = ReasonFailback, fmt.Sprintf("Broker %s is back.", former)
		}
		pl.assign(id, o, former, w)
	default:
		pl.unplaced = append(pl.unplaced, w)
	}
}

// place gives the waiting Providers an owner each: the favourite if it can be,
// else the eligible broker with the fewest Providers, ties by priority.
func (pl *planner) place() {
	var rest []placing
	for _, w := range pl.unplaced {
		o := pl.p.Owners[w.id].Value
		if !w.planned {
			o.Home = cmp.Or(o.Home, o.Broker) // where it was when it was lost
		}
		want, why := favourite(pl.p, pl.p.Providers[w.id].Value, o)
		if want == "" || w.planned && want == o.Broker {
			rest = append(rest, w)
			continue
		}
		reason, message := pl.hindrance(w.id, want, why, o.Home == want)
		if reason == reasonHoldDown && pl.eligible[want] && (pl.noneSteady() || pl.regained(w, want)) {
			reason = "" // no need to move twice
		}
		if reason != "" {
			pl.refuse(w.id, want, reason, message)
			if reason == reasonHoldDown && pl.goesHome(why) {
				w.waitsFor = want
			}
			rest = append(rest, w)
			continue
		}
		message = fmt.Sprintf("%s It belongs to %s.", w.because, want)
		if w.planned && why == ReasonFailback {
			pl.comeHome(homecoming{placing: w, owner: o, home: want, message: message})
			continue
		}
		pl.give(w, o, want, message)
	}
	for _, w := range rest {
		o := pl.p.Owners[w.id].Value
		to := pl.fewest(w, o.Broker)
		if to == "" {
			pl.strand(w, o)
			continue
		}
		pl.give(w, o, to, fmt.Sprintf("%s %s has the fewest Providers.", w.because, to))
	}
}

// noneSteady reports whether every eligible broker has just come back.
func (pl *planner) noneSteady() bool {
	for id := range pl.eligible {
		if !pl.held(id) {
			return false
		}
	}
	return true
}

// regained reports whether a Provider that nobody could serve may go straight to
// a broker that has just come back, once, but does not keep flapping.
func (pl *planner) regained(w placing, home BrokerID) bool {
	return w.reason == ReasonMajorityRegained && pl.v.Returns[home].Flaps == 0
}

func (pl *planner) give(w placing, o Ownership, to BrokerID, message string) {
	if w.planned {
		pl.handover(w.id, o, to, w.reason, message, w.urgent)
		return
	}
	pl.placed[w.id] = w
	w.because = message
	pl.assign(w.id, o, to, w)
	if w.waitsFor != "" {
		pl.wait(to, w.waitsFor)
		return
	}
	pl.rest(w.id, pl.p.Providers[w.id].Value, to)
}

// strand is for a Provider that no broker can take.
func (pl *planner) strand(w placing, o Ownership) {
	message := w.because + " No other broker can take the Provider."
	pl.refuse(w.id, "", w.reason, message)
	switch {
	case w.planned && slices.Contains(pl.v.Serving, o.Broker):
		pl.load[o.Broker]++ // better with an owner that wants to go than with none
	case w.planned:
		pl.withdraw(w.id, w.reason, message)
	}
}

// fewest is the eligible broker with the fewest Providers, ties by priority, that
// reaches the Provider; one that has just come back only if there is no other.
func (pl *planner) fewest(w placing, owner BrokerID) BrokerID {
	for _, held := range []bool{false, true} {
		best := BrokerID("")
		for _, id := range pl.pool() {
			if pl.held(id) == held && !(w.planned && id == owner) && pl.fits(w, id) && (best == "" || pl.load[id] < pl.load[best]) {
				best = id
			}
		}
		if best != "" {
			return best
		}
	}
	return ""
}

// fits reports whether a broker reaches a Provider that needs an owner; if that is
// why it needs one, it must have found out that it does.
func (pl *planner) fits(w placing, b BrokerID) bool {
	if w.reason == ReasonProviderUnreachable {
		_, found := pl.p.reaches(b, w.id)
		return found
	}
	reason, _ := noWay(pl.p, pl.v, b, w.id)
	return reason == ""
}

// pool is who is eligible, in priority order.
func (pl *planner) pool() []BrokerID {
	var ids []BrokerID
	for _, b := range pl.p.InOrder() {
		if pl.eligible[b.ID] {
			ids = append(ids, b.ID)
		}
	}
	return ids
}

// assign makes a broker the owner of a Provider that nobody can act for.
func (pl *planner) assign(id ProviderID, o Ownership, to BrokerID, w placing) {
	next := Ownership{
		Broker: to, Incarnation: pl.p.Presence[to].Incarnation, Epoch: pl.nextEpoch(o),
		Since: pl.Now, Reason: w.reason, Message: w.because, Home: pl.homeAfter(id, to, w.reason),
	}
	pl.load[to]++
	pl.put(id, next)
}

// nextEpoch is above every epoch that the Provider can have had, also if storage
// was put back to a time before it had any.
func (pl *planner) nextEpoch(o Ownership) Epoch {
	if o.Epoch == 0 {
		return pl.p.EpochFloor + 1
	}
	return o.Epoch + 1
}

// homeAfter is the home of a Provider that goes to another broker: a loss
// leaves the home where it was; where its settings want it, it is at home.
func (pl *planner) homeAfter(id ProviderID, to BrokerID, why Reason) BrokerID {
	c, o := pl.p.Providers[id].Value, pl.p.Owners[id].Value
	want, _ := favourite(pl.p, c, o)
	if to != "" && want == to || why == ReasonProviderDeleted {
		return ""
	}
	home := cmp.Or(o.Home, o.Broker)
	if why == ReasonRebalance {
		home = o.Home
	}
	if home == to {
		return ""
	}
	if b, ok := pl.p.Brokers[home]; !ok || !b.Value.HasSeat() && home != want {
		return "" // a stand-in is nobody's home, unless it is asked for
	}
	return home
}

// handover asks the owner to hand a Provider over, if not too many are at it.
func (pl *planner) handover(id ProviderID, o Ownership, to BrokerID, why Reason, message string, urgent bool) {
	pl.load[to]++
	if !urgent && pl.moves >= max(1, pl.p.Site.Value.MaxParallelMoves) {
		pl.refuse(id, to, why, message+fmt.Sprintf(" It waits: %s under way.", isAre(pl.moves, "move")))
		return
	}
	pl.moves++
	next := o
	next.Target, next.TargetIncarnation = to, pl.p.Presence[to].Incarnation
	next.TargetReason, next.TargetMessage = why, message
	next.TargetHome = pl.homeAfter(id, to, why)
	pl.put(id, next)
}

// withdraw takes a Provider from its owner and gives it to nobody.
func (pl *planner) withdraw(id ProviderID, why Reason, message string) {
	o := pl.p.Owners[id].Value
	if o.Broker == "" {
		return
	}
	next := Ownership{Epoch: o.Epoch + 1, Since: pl.Now, Reason: why, Message: message, Home: pl.homeAfter(id, "", why)}
	if pl.p.Alive(o.Owner()) {
		next.Releasing, next.ReleasingIncarnation = o.Broker, o.Incarnation
	}
	pl.put(id, next)
}

func (pl *planner) put(id ProviderID, next Ownership) {
	was := pl.p.Owners[id]
	if next != was.Value {
		pl.decisions[id] = Decision{Provider: id, Was: was, Next: next, Event: OwnerChanged(id, was.Value, next, pl.Now)}
	}
}

func (pl *planner) refuse(id ProviderID, wanted BrokerID, why Reason, message string) {
	pl.refusals[id] = Refusal{Provider: id, Wanted: wanted, Reason: why, Message: message}
}

func (pl *planner) result() (ds []Decision, rs []Refusal) {
	for _, id := range slices.Sorted(maps.Keys(pl.decisions)) {
		ds = append(ds, pl.decisions[id])
	}
	for _, id := range slices.Sorted(maps.Keys(pl.refusals)) {
		rs = append(rs, pl.refusals[id])
	}
	return ds, rs
}
