package farm_test

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/quorate/quorate/farm"
)

// world is one Site and what happens to it. It does to the picture what the
// store, the brokers and a patient coordinator would do, and holds every plan
// to what must be true of all of them.
type world struct {
	p     *farm.Picture
	back  map[farm.BrokerID]time.Duration
	cuts  farm.Cuts
	now   time.Time
	past  []farm.Event    // since the last decide
	last  farm.Outcome    // of the last decide
	worth []farm.Decision // all of the last decide or settle
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newWorld() *world {
	return &world{
		p: &farm.Picture{
			Revision:  1000,
			Site:      farm.Stored[farm.Site]{Value: farm.NewSite("hq"), Revision: 1},
			Brokers:   map[farm.BrokerID]farm.Stored[farm.Broker]{},
			Providers: map[farm.ProviderID]farm.Stored[farm.Provider]{},
			Presence:  map[farm.BrokerID]farm.Presence{},
			Owners:    map[farm.ProviderID]farm.Stored[farm.Ownership]{},
			Reports:   map[farm.ProviderID]farm.Report{},
			Hosts:     map[farm.ProviderID]map[farm.HostID]farm.Host{},
		},
		back: map[farm.BrokerID]time.Duration{},
		cuts: farm.Cuts{},
		now:  start,
	}
}

func (w *world) rev() farm.Revision {
	w.p.Revision++
	return w.p.Revision
}

func (w *world) situation() farm.Situation {
	return farm.Situation{Picture: w.p, Now: w.now, Back: w.back, Cuts: w.cuts, Decider: w.decider()}
}

// decider is the coordinator; one who may not stand makes way for one who may.
func (w *world) decider() farm.BrokerID {
	if id := w.p.Coordinator.Broker; w.p.MayStand(id) {
		return id
	}
	return ""
}

// What happens to brokers.

func (w *world) online(id farm.BrokerID) {
	rev := w.rev()
	w.p.Presence[id] = farm.Presence{Broker: id, Incarnation: farm.Incarnation(rev), Since: w.now}
	w.back[id] = 0
	if w.p.Coordinator.Broker == "" {
		w.p.Coordinator = farm.Coordinator{Broker: id, Term: rev}
	}
}

func (w *world) dies(id farm.BrokerID) {
	delete(w.p.Presence, id)
	delete(w.back, id)
	if w.p.Coordinator.Broker != id {
		return
	}
	w.p.Coordinator = farm.Coordinator{}
	for _, b := range w.p.InOrder() {
		if w.p.Online(b.ID) && w.p.MayStand(b.ID) {
			w.elect(b.ID)
			return
		}
	}
}

// elect makes a broker the coordinator, which has seen nobody for long.
func (w *world) elect(id farm.BrokerID) {
	w.p.Coordinator = farm.Coordinator{Broker: id, Term: w.rev()}
	for b := range w.back {
		w.back[b] = 0
	}
}

func (w *world) leaves(id farm.BrokerID) {
	here := w.p.Presence[id]
	here.Leaving = true
	w.p.Presence[id] = here
}

func (w *world) pass(d time.Duration) {
	w.now = w.now.Add(d)
	for id := range w.back {
		w.back[id] += d
	}
}

func (w *world) contact(groups [][]farm.BrokerID) {
	w.cuts = farm.Partition(slices.Sorted(maps.Keys(w.p.Brokers)), groups)
}

// What the operator writes.

func (w *world) putBroker(b farm.Broker) {
	w.p.Brokers[b.ID] = farm.Stored[farm.Broker]{Value: b, Revision: w.rev()}
}

func (w *world) putProvider(c farm.Provider) {
	w.p.Providers[c.ID] = farm.Stored[farm.Provider]{Value: c, Revision: w.rev()}
}

func (w *world) putOwner(id farm.ProviderID, o farm.Ownership) {
	w.p.Owners[id] = farm.Stored[farm.Ownership]{Value: o, Revision: w.rev()}
}

// What owners do.

// handOver carries a planned handover out, as store.Session.Handover does:
// not if the target's incarnation is gone.
func (w *world) handOver(id farm.ProviderID) error {
	was := w.p.Owners[id].Value
	switch {
	case was.Target == "":
		return fmt.Errorf("no handover of %s is under way", id)
	case !w.p.Alive(was.Owner()):
		return fmt.Errorf("%s, which was to hand %s over, is gone", was.Broker, id)
	case !w.p.Alive(farm.Life{Broker: was.Target, Incarnation: was.TargetIncarnation}):
		return fmt.Errorf("%s, which was to get %s, is gone", was.Target, id)
	}
	next := farm.HandedOver(was)
	next.Since = w.now
	if e := farm.OwnerChanged(id, was, next, w.now); e != nil {
		w.past = append(w.past, *e)
	}
	w.putOwner(id, next)
	return nil
}

// release says that a former owner's agent has stopped.
func (w *world) release(id farm.ProviderID) error {
	was := w.p.Owners[id].Value
	if was.Releasing == "" {
		return fmt.Errorf("nobody is releasing %s", id)
	}
	w.putOwner(id, farm.Released(was))
	return nil
}

// finish lets every owner do what is asked of it. It reports whether any had to.
func (w *world) finish() (busy bool) {
	for _, id := range slices.Sorted(maps.Keys(w.p.Owners)) {
		busy = w.handOver(id) == nil || busy
		busy = w.release(id) == nil || busy
	}
	return busy
}

// settle decides and lets owners act until there is nothing left to do.
func (w *world) settle() error {
	var past []farm.Event
	var all []farm.Decision
	// Each round either moves something or is the last one. Nothing moves more
	// often than this: taken, released, given, gone home, balanced.
	for range 5*len(w.p.Owners) + 5*len(w.p.Providers) + 5 {
		busy := w.finish()
		if err := w.decide(); err != nil {
			return err
		}
		past = append(past, w.past...)
		all = append(all, w.last.Decisions...)
		w.past = nil
		if !busy && w.last.Seats == nil && len(w.last.Decisions) == 0 {
			w.past, w.worth = past, all
			return nil
		}
	}
	return fmt.Errorf("it does not come to rest; the last plan was\n%s", show(w.last))
}

// What the coordinator does.

// decide plans and stores the plan.
func (w *world) decide() error {
	out := farm.Plan(w.situation())
	if err := w.examine(out); err != nil {
		return fmt.Errorf("%w, in the plan\n%s", err, show(out))
	}
	w.store(out)
	w.last, w.worth = out, out.Decisions
	if err := w.atRest(out); err != nil {
		return fmt.Errorf("%w, after the plan\n%s", err, show(out))
	}
	return nil
}

func (w *world) store(out farm.Outcome) {
	if out.Seats != nil {
		w.p.Seats = farm.Stored[farm.Seats]{Value: *out.Seats, Revision: w.rev()}
	}
	w.past = append(w.past, out.Events...)
	for _, d := range out.Decisions {
		if d.Event != nil {
			w.past = append(w.past, *d.Event)
		}
		w.putOwner(d.Provider, d.Next)
	}
}

// examine holds a plan to what must be true of every plan.
func (w *world) examine(out farm.Outcome) error {
	// The same input gives the same output, however the maps came about, and
	// planning leaves its picture alone.
	copied := copyOf(w.p)
	again := farm.Plan(farm.Situation{Picture: copied, Now: w.now, Back: maps.Clone(w.back), Cuts: maps.Clone(w.cuts), Decider: w.decider()})
	if !reflect.DeepEqual(out, again) {
		return fmt.Errorf("the same Site is planned in two ways; the other one is\n%s", show(again))
	}
	if !reflect.DeepEqual(copied, copyOf(w.p)) {
		return fmt.Errorf("planning has changed the picture")
	}

	v, was := w.p.Seats.Value, w.p.Seats.Value
	if out.Seats != nil {
		v = *out.Seats
		if v.Epoch != was.Epoch+1 {
			return fmt.Errorf("verdict %d follows verdict %d", v.Epoch, was.Epoch)
		}
	}
	if err := w.examineVerdict(v); err != nil {
		return err
	}
	eligible := w.eligible(v)
	for _, d := range out.Decisions {
		if err := w.examineDecision(d, v, eligible); err != nil {
			return fmt.Errorf("%s: %w", d.Provider, err)
		}
	}
	for _, r := range out.Refusals {
		if r.Reason == "" || !sentence(r.Message) {
			return fmt.Errorf("%s: the refusal has no reason or no sentence: %+v", r.Provider, r)
		}
	}
	for _, e := range out.Events {
		if !sentence(e.Message) || !e.Time.Equal(w.now) {
			return fmt.Errorf("event without a sentence or time: %+v", e)
		}
	}
	return nil
}

// examineVerdict checks the verdict's own arithmetic.
func (w *world) examineVerdict(v farm.Seats) error {
	occupants := map[farm.BrokerID]bool{}
	seats := 0
	for _, b := range w.p.Brokers {
		if b.Value.HasSeat() {
			seats++
		}
	}
	if seats != len(v.Seats) {
		return fmt.Errorf("%d seats, want %d", len(v.Seats), seats)
	}
	for _, s := range v.Seats {
		switch {
		case s.Occupant == "":
			continue
		case !w.p.Online(s.Occupant):
			return fmt.Errorf("%s sits on a seat and is offline", s.Occupant)
		case occupants[s.Occupant]:
			return fmt.Errorf("%s sits on two seats", s.Occupant)
		case s.Occupant != s.Broker && !v.Armed:
			return fmt.Errorf("%s stands in while high availability is off", s.Occupant)
		}
		occupants[s.Occupant] = true
	}
	for i, a := range v.Serving {
		if !occupants[a] {
			return fmt.Errorf("%s serves without a seat", a)
		}
		for _, b := range v.Serving[i+1:] {
			if v.Armed && w.apart(a, b) {
				return fmt.Errorf("%s and %s both serve and are not in contact", a, b)
			}
		}
	}
	n, serving := len(v.Seats), len(v.Serving)
	tie := 2*serving == n && w.p.Site.Value.TieBreaker == farm.TieBreakerPriority
	switch v.State {
	case farm.StateOff:
		if v.Armed {
			return fmt.Errorf("off and armed")
		}
	case farm.StateOn:
		if !v.Armed || serving != n {
			return fmt.Errorf("on, and %d of %d seats serve", serving, n)
		}
	case farm.StateDegraded:
		if !v.Armed || serving == n || 2*serving <= n && !tie {
			return fmt.Errorf("degraded, and %d of %d seats serve", serving, n)
		}
	case farm.StateLost:
		if !v.Armed || serving != 0 {
			return fmt.Errorf("lost, and %d seats serve", serving)
		}
	default:
		return fmt.Errorf("state %q", v.State)
	}
	if v.Armed && n < farm.MinSeats {
		return fmt.Errorf("armed with %d seats", n)
	}
	if v.Reason == "" || !sentence(v.Message) {
		return fmt.Errorf("the verdict has no reason or no sentence")
	}
	return nil
}

// apart reports whether two brokers are not in contact.
func (w *world) apart(a, b farm.BrokerID) bool {
	return w.cuts[[2]farm.BrokerID{min(a, b), max(a, b)}]
}

// eligible is who may own Providers by a verdict.
func (w *world) eligible(v farm.Seats) map[farm.BrokerID]bool {
	m := map[farm.BrokerID]bool{}
	for _, id := range v.Serving {
		if !w.p.Brokers[id].Value.Draining && !w.p.Presence[id].Leaving {
			m[id] = true
		}
	}
	return m
}

func (w *world) examineDecision(d farm.Decision, v farm.Seats, eligible map[farm.BrokerID]bool) error {
	was, next := d.Was.Value, d.Next
	if d.Was != w.p.Owners[d.Provider] {
		return fmt.Errorf("replaces a record that is not there: %+v", d.Was)
	}
	if was == next {
		return fmt.Errorf("changes nothing")
	}
	changed := was.Owner() != next.Owner()
	want := was.Epoch
	if changed {
		if want == 0 {
			want = w.p.EpochFloor
		}
		want++
	}
	if next.Epoch != want {
		return fmt.Errorf("epoch %d after %d", next.Epoch, was.Epoch)
	}
	if changed && (next.Reason == "" || !sentence(next.Message) || !next.Since.Equal(w.now)) {
		return fmt.Errorf("the new owner has no reason, no sentence or no time: %+v", next)
	}
	if changed != (d.Event != nil) {
		return fmt.Errorf("event %v", d.Event)
	}
	if next.Target != "" {
		switch {
		case next.TargetReason == "" || !sentence(next.TargetMessage):
			return fmt.Errorf("the handover has no reason or no sentence: %+v", next)
		case !eligible[next.Target]:
			return fmt.Errorf("handed over to %s, which may not own it", next.Target)
		case next.Target == next.Broker:
			return fmt.Errorf("handed over to its owner")
		case !w.p.Alive(next.Owner()):
			return fmt.Errorf("handed over by %s, which is gone", next.Broker)
		}
	}
	if next.Broker != "" && changed {
		switch c, ok := w.p.Providers[d.Provider]; {
		case !eligible[next.Broker]:
			return fmt.Errorf("given to %s, which may not own it", next.Broker)
		case !ok || !c.Value.Enabled:
			return fmt.Errorf("given to %s, and is disabled or deleted", next.Broker)
		}
	}
	if v.State == farm.StateLost && next.Broker != "" {
		return fmt.Errorf("owned without a majority")
	}
	// From a living owner it goes only by handover, or to nobody while the
	// owner lets go.
	if changed && w.p.Alive(was.Owner()) && (next.Broker != "" || next.Releasing != was.Broker || next.ReleasingIncarnation != was.Incarnation) {
		return fmt.Errorf("taken from %s, which is alive: %+v", was.Broker, next)
	}
	letting := farm.Life{Broker: was.Releasing, Incarnation: was.ReleasingIncarnation}
	if w.p.Alive(letting) && next.Broker != "" {
		return fmt.Errorf("given to %s while %s has not let go", next.Broker, was.Releasing)
	}
	gone, present := d.Guards()
	for _, l := range gone {
		if w.p.Alive(l) {
			return fmt.Errorf("%v must be gone and is not", l)
		}
	}
	for _, l := range present {
		if !w.p.Alive(l) {
			return fmt.Errorf("%v must be present and is not", l)
		}
	}
	// Every life that could act before, and may not after, is guarded.
	if was.Broker != "" && changed && next.Releasing == "" && !slices.Contains(gone, was.Owner()) {
		return fmt.Errorf("nothing makes sure that %s is gone", was.Broker)
	}
	if was.Releasing != "" && next.Releasing == "" && !slices.Contains(gone, letting) {
		return fmt.Errorf("nothing makes sure that %s is gone", was.Releasing)
	}
	return nil
}

// atRest checks the picture after a plan is stored: nobody owns what he may
// not, and planning again changes nothing until the plan's time has come.
func (w *world) atRest(out farm.Outcome) error {
	v := w.p.Seats.Value
	for id, o := range w.p.Owners {
		switch {
		case v.State == farm.StateLost && o.Value.Broker != "":
			return fmt.Errorf("%s is owned by %s without a majority", id, o.Value.Broker)
		case v.Armed && o.Value.Broker != "" && !w.p.Alive(o.Value.Owner()) && !refused(out, id):
			return fmt.Errorf("%s is left with %s, which is gone", id, o.Value.Broker)
		case v.Armed && w.p.Alive(o.Value.Owner()) && !slices.Contains(v.Serving, o.Value.Broker) && o.Value.Target == "" && !waits(out, id):
			return fmt.Errorf("%s is left with %s, which does not serve", id, o.Value.Broker)
		}
	}
	for id, c := range w.p.Providers {
		if o := w.p.Owners[id].Value; c.Value.Enabled && o.Broker == "" && !refused(out, id) {
			return fmt.Errorf("%s has no owner and nothing says why", id)
		}
	}
	s := w.situation()
	for _, wait := range []time.Duration{0, out.Wake - time.Millisecond} {
		if wait < 0 {
			if out.Wake != 0 {
				return fmt.Errorf("wakes in %s", out.Wake)
			}
			wait = 10000 * time.Hour
		}
		s.Back = map[farm.BrokerID]time.Duration{}
		for id, d := range w.back {
			s.Back[id] = d + wait
		}
		again := farm.Plan(s)
		if again.Seats != nil || len(again.Decisions) > 0 || len(again.Events) > 0 {
			return fmt.Errorf("planning again %s later is not the same: \n%s", wait, show(again))
		}
		if wait == 0 && again.Wake != out.Wake {
			return fmt.Errorf("planning again wakes in %s", again.Wake)
		}
		for _, r := range again.Refusals {
			if !refused(out, r.Provider) && !decided(out, r.Provider) {
				return fmt.Errorf("planning again refuses more: %+v", r)
			}
		}
	}
	return nil
}

func refused(out farm.Outcome, id farm.ProviderID) bool {
	return slices.ContainsFunc(out.Refusals, func(r farm.Refusal) bool { return r.Provider == id })
}

func decided(out farm.Outcome, id farm.ProviderID) bool {
	return slices.ContainsFunc(out.Decisions, func(d farm.Decision) bool { return d.Provider == id })
}

// waits reports whether a move is wanted and waits only for others to finish.
func waits(out farm.Outcome, id farm.ProviderID) bool {
	return slices.ContainsFunc(out.Refusals, func(r farm.Refusal) bool {
		return r.Provider == id && strings.Contains(r.Message, " It waits: ")
	})
}

var aSentence = regexp.MustCompile(`^([A-Z0-9]|cb-).*\.$`)

// sentence reports whether s reads as one, with nothing left out of it.
func sentence(s string) bool {
	return aSentence.MatchString(s) && !strings.Contains(s, "  ") && !strings.Contains(s, " .") && !strings.Contains(s, "%!")
}

// copyOf rebuilds every map, in another order.
func copyOf(p *farm.Picture) *farm.Picture {
	q := *p
	q.Brokers, q.Providers = rebuilt(p.Brokers), rebuilt(p.Providers)
	q.Presence, q.Owners = rebuilt(p.Presence), rebuilt(p.Owners)
	q.Reports = rebuilt(p.Reports)
	v := &q.Seats.Value
	v.Returns, v.Online = rebuilt(v.Returns), rebuilt(v.Online)
	v.Seats, v.Serving = slices.Clone(v.Seats), slices.Clone(v.Serving)
	return &q
}

func rebuilt[K ~string, V any](m map[K]V) map[K]V {
	if m == nil {
		return nil
	}
	n := map[K]V{}
	keys := slices.Sorted(maps.Keys(m))
	slices.Reverse(keys)
	for _, k := range keys {
		n[k] = m[k]
	}
	return n
}

// show prints a plan.
func show(out farm.Outcome) string {
	var b strings.Builder
	if v := out.Seats; v != nil {
		fmt.Fprintf(&b, "  ha %s (%s) armed=%v seats=%v serving=%v returns=%v online=%v\n     %s\n", v.State, v.Reason, v.Armed, v.Seats, v.Serving, v.Returns, v.Online, v.Message)
	}
	for _, d := range out.Decisions {
		fmt.Fprintf(&b, "  %s %s => %s\n", d.Provider, record(d.Was.Value), record(d.Next))
	}
	for _, r := range out.Refusals {
		fmt.Fprintf(&b, "  refused %s %s (%s) %q\n", r.Provider, r.Wanted, r.Reason, r.Message)
	}
	for _, e := range out.Events {
		fmt.Fprintf(&b, "  event %s %s (%s) %q\n", e.Type, e.Subject, e.Reason, e.Message)
	}
	fmt.Fprintf(&b, "  wake %s", out.Wake)
	return b.String()
}

// record prints an ownership as cases write it.
func record(o farm.Ownership) string {
	s := string(o.Broker)
	if s == "" {
		s = "nobody"
	}
	s += fmt.Sprintf("@%d", o.Epoch)
	reason, message := o.Reason, o.Message
	if o.Target != "" {
		s += " -> " + string(o.Target)
		reason, message = o.TargetReason, o.TargetMessage
	}
	if o.Releasing != "" {
		s += fmt.Sprintf(" until %s stops", o.Releasing)
	}
	s += fmt.Sprintf(" (%s) %q", reason, message)
	if o.Home != "" {
		s += " home " + string(o.Home)
	}
	return s
}
