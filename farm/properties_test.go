package farm_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quorate/quorate/farm"
)

// Every plan that a world makes is held to world.examine and world.atRest, so
// the properties there hold on all the random histories here:
//
//   - nobody is given a Provider, or handed one, who may not own it;
//   - armed and without a majority, nobody owns anything;
//   - a plan applied gives an empty plan, until the time it named;
//   - the same input gives the same output;
//   - a change of owner has a reason, a sentence and an epoch one higher, and
//     nothing else raises an epoch;
//   - from a living owner a Provider goes only by handover, or to nobody until
//     the owner has let go; the Guards of each decision say so;
//   - what has no owner is refused with a reason.

// aSite draws a Site in which nothing has been decided yet.
func aSite(t *rapid.T) *world {
	w := newWorld()
	site := &w.p.Site.Value
	site.TieBreaker = rapid.SampledFrom([]farm.TieBreaker{farm.TieBreakerNone, farm.TieBreakerPriority}).Draw(t, "tieBreaker")
	site.Failback.Mode = rapid.SampledFrom([]farm.FailbackMode{farm.FailbackAutomatic, farm.FailbackManual}).Draw(t, "failback")
	site.Failback.HoldDown = rapid.SampledFrom([]time.Duration{0, 10 * time.Second, 5 * time.Minute}).Draw(t, "holdDown")
	site.MaxParallelMoves = rapid.IntRange(0, 4).Draw(t, "maxParallelMoves")
	for i := range rapid.IntRange(1, 7).Draw(t, "brokers") {
		b := farm.Broker{
			ID: farm.BrokerID(fmt.Sprintf("cb-%d", i+1)), Mode: farm.ModeActive,
			Enabled:  rapid.IntRange(0, 9).Draw(t, "disabled") != 9,
			Priority: rapid.IntRange(0, 7).Draw(t, "priority"),
		}
		if rapid.IntRange(0, 3).Draw(t, "standby") == 3 {
			b.Mode = farm.ModeStandby
		}
		w.putBroker(b)
		if rapid.IntRange(0, 4).Draw(t, "offline") != 4 {
			w.online(b.ID)
		}
	}
	for i := range rapid.IntRange(0, 9).Draw(t, "providers") {
		c := farm.Provider{ID: farm.ProviderID(fmt.Sprintf("vc-%d", i+1)), Enabled: true, Preferred: farm.Automatic}
		if rapid.IntRange(0, 3).Draw(t, "manual") == 3 {
			c.Preferred = farm.Manual(w.anyBroker(t))
		}
		w.putProvider(c)
	}
	return w
}

func (w *world) anyBroker(t *rapid.T) farm.BrokerID {
	return rapid.SampledFrom(slices.Sorted(maps.Keys(w.p.Brokers))).Draw(t, "broker")
}

func (w *world) anyProvider(t *rapid.T) (farm.Provider, bool) {
	all := slices.Sorted(maps.Keys(w.p.Providers))
	if len(all) == 0 {
		return farm.Provider{}, false
	}
	return w.p.Providers[rapid.SampledFrom(all).Draw(t, "provider")].Value, true
}

// anything lets one random thing happen.
func (w *world) anything(t *rapid.T) {
	broker := func(change func(b *farm.Broker)) func() {
		return func() {
			b := w.p.Brokers[w.anyBroker(t)].Value
			change(&b)
			w.putBroker(b)
		}
	}
	provider := func(change func(c *farm.Provider)) func() {
		return func() {
			if c, ok := w.anyProvider(t); ok {
				change(&c)
				w.putProvider(c)
			}
		}
	}
	seldom := func(do func()) func() {
		return func() {
			if rapid.IntRange(0, 2).Draw(t, "seldom") == 2 {
				do()
			}
		}
	}
	flip := func() {
		if b := w.anyBroker(t); w.p.Online(b) {
			w.dies(b)
		} else {
			w.online(b)
		}
	}
	actions := map[string]func(){
		"presence":      flip,
		"presence too":  flip,
		"presence also": flip,
		"restart": func() {
			b := w.anyBroker(t)
			w.dies(b)
			w.online(b)
		},
		"leave": func() {
			if b := w.anyBroker(t); w.p.Online(b) {
				w.leaves(b)
			}
		},
		"cut": func() {
			w.cuts = maps.Clone(w.cuts)
			w.cuts.Cut(w.anyBroker(t), w.anyBroker(t))
		},
		"partition": seldom(func() {
			var groups [2][]farm.BrokerID
			for _, id := range slices.Sorted(maps.Keys(w.p.Brokers)) {
				i := rapid.IntRange(0, 1).Draw(t, "group")
				groups[i] = append(groups[i], id)
			}
			w.contact(groups[:])
		}),
		"heal": func() { w.cuts = farm.Cuts{} },
		"elect": func() {
			if b := w.anyBroker(t); w.p.Online(b) {
				w.elect(b)
			}
		},
		"pass a little": func() { w.pass(7 * time.Second) },
		"pass": func() {
			w.pass(rapid.SampledFrom([]time.Duration{10 * time.Second, time.Minute, 2 * time.Hour}).Draw(t, "time"))
		},
		"finish": func() { w.finish() },
		"finish one": func() {
			if ids := slices.Sorted(maps.Keys(w.p.Owners)); len(ids) > 0 {
				id := rapid.SampledFrom(ids).Draw(t, "owned")
				_, _ = w.handOver(id), w.release(id) // if there is anything to do
			}
		},
		"enable broker": seldom(broker(func(b *farm.Broker) { b.Enabled = !b.Enabled })),
		"drain":         broker(func(b *farm.Broker) { b.Draining = !b.Draining }),
		"mode": seldom(broker(func(b *farm.Broker) {
			b.Mode = map[farm.Mode]farm.Mode{farm.ModeActive: farm.ModeStandby, farm.ModeStandby: farm.ModeActive}[b.Mode]
		})),
		"priority": seldom(broker(func(b *farm.Broker) { b.Priority = rapid.IntRange(0, 7).Draw(t, "priority") })),
		"delete broker": seldom(func() {
			if b := w.anyBroker(t); len(w.p.Brokers) > 1 && !w.p.Online(b) {
				delete(w.p.Brokers, b)
			}
		}),
		"enable":    provider(func(c *farm.Provider) { c.Enabled = !c.Enabled }),
		"prefer":    provider(func(c *farm.Provider) { c.Preferred = farm.Manual(w.anyBroker(t)) }),
		"automatic": provider(func(c *farm.Provider) { c.Preferred = farm.Automatic }),
		"move":      provider(func(c *farm.Provider) { c.MovedTo = w.anyBroker(t) }),
		"unpin":     provider(func(c *farm.Provider) { c.MovedTo = "" }),
		"delete": func() {
			if c, ok := w.anyProvider(t); ok {
				delete(w.p.Providers, c.ID)
			}
		},
		"add": func() {
			w.putProvider(farm.Provider{
				ID:      farm.ProviderID(fmt.Sprintf("vc-%d", rapid.IntRange(1, 12).Draw(t, "id"))),
				Enabled: true, Preferred: farm.Automatic,
			})
		},
		"failback": seldom(func() {
			f := &w.p.Site.Value.Failback
			f.Mode = map[farm.FailbackMode]farm.FailbackMode{farm.FailbackAutomatic: farm.FailbackManual, farm.FailbackManual: farm.FailbackAutomatic}[f.Mode]
		}),
	}
	actions[rapid.SampledFrom(slices.Sorted(maps.Keys(actions))).Draw(t, "happens")]()
}

// history lets random things happen to a random Site; each time the Site is
// planned, or, now and then, several things happen at once.
func history(t *rapid.T, most int) *world {
	w := aSite(t)
	must(t, w.decide())
	for range rapid.IntRange(0, most).Draw(t, "things") {
		w.anything(t)
		if rapid.IntRange(0, 3).Draw(t, "at once") < 3 {
			must(t, w.decide())
		}
	}
	must(t, w.decide())
	return w
}

func must(t *rapid.T, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

// Whatever has happened, once nothing more happens the Site comes to rest, and
// then Providers are where the rules want them.
func TestHistoriesComeToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := history(t, 25)
		must(t, w.settle())
		v := w.p.Seats.Value
		for id, o := range w.p.Owners {
			c, exists := w.p.Providers[id]
			switch {
			case !exists || !c.Value.Enabled:
				if o.Value.Broker != "" {
					t.Fatalf("%s is disabled or deleted and owned by %s", id, o.Value.Broker)
				}
			case o.Value.Target != "" && w.p.Alive(o.Value.Owner()) || o.Value.Releasing != "":
				t.Fatalf("%s is not at rest: %s", id, record(o.Value))
			case o.Value.Broker == "" && len(w.eligible(v)) > 0 && v.State != farm.StateOff:
				t.Fatalf("%s has no owner and could have", id)
			}
			want := c.Value.MovedTo
			if want == "" && c.Value.Preferred.Mode == farm.PreferenceManual {
				want = c.Value.Preferred.Broker
			}
			if want != "" && exists && c.Value.Enabled && want != o.Value.Broker && !refused(w.last, id) {
				t.Fatalf("%s is at %q, belongs to %s, and nothing says why", id, o.Value.Broker, want)
			}
		}
	})
}

// While brokers come and go, a Site is lost only if those that are there could
// not form a serving group: no hold-down keeps it lost.
func TestLostOnlyWithoutAMajority(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := undisturbed(t)
		seats := 0
		for _, b := range w.p.InOrder() {
			if b.HasSeat() {
				seats++
			}
		}
		for range rapid.IntRange(0, 20).Draw(t, "things") {
			if b := w.anyBroker(t); w.p.Online(b) {
				w.dies(b)
			} else {
				w.online(b)
			}
			must(t, w.decide())
			there := min(seats, len(w.p.Presence))
			if v := w.p.Seats.Value; (v.State == farm.StateLost) != (there < farm.Majority(seats)) {
				t.Fatalf("%s, and %d of %d seats could be occupied: %+v", v.State, there, seats, v.Seats)
			}
		}
	})
}

// undisturbed is an armed Site whose brokers have all been online for long.
func undisturbed(t *rapid.T) *world {
	w := newWorld()
	for i := range rapid.IntRange(3, 6).Draw(t, "seats") {
		w.putBroker(farm.Broker{ID: farm.BrokerID(fmt.Sprintf("cb-%d", i+1)), Mode: farm.ModeActive, Enabled: true, Priority: i})
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "standbys") {
		w.putBroker(farm.Broker{ID: farm.BrokerID(fmt.Sprintf("cb-%d", i+11)), Mode: farm.ModeStandby, Enabled: true, Priority: i + 11})
	}
	for _, b := range w.p.InOrder() {
		w.online(b.ID)
	}
	for i := range rapid.IntRange(0, 12).Draw(t, "providers") {
		w.putProvider(farm.Provider{ID: farm.ProviderID(fmt.Sprintf("vc-%d", i+1)), Enabled: true, Preferred: farm.Automatic})
	}
	must(t, w.decide())
	w.pass(24 * time.Hour)
	must(t, w.decide())
	return w
}

// When all Providers are Automatic and every hold-down is over, no eligible
// broker has two more than another one.
func TestCountsDifferByAtMostOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := history(t, 20)
		w.p.Site.Value.Failback.Mode = farm.FailbackAutomatic
		w.allAutomatic()
		must(t, w.settle())
		w.pass(10000 * time.Hour)
		must(t, w.settle())
		w.balanced(t)
	})
}

func (w *world) allAutomatic() {
	for _, c := range w.p.Providers {
		c.Value.Preferred, c.Value.MovedTo = farm.Automatic, ""
		w.putProvider(c.Value)
	}
}

func (w *world) balanced(t *rapid.T) {
	t.Helper()
	v := w.p.Seats.Value
	if v.State != farm.StateOn && v.State != farm.StateDegraded {
		return
	}
	count := map[farm.BrokerID]int{}
	for id := range w.eligible(v) {
		count[id] = 0
	}
	for _, o := range w.p.Owners {
		if _, ok := count[o.Value.Broker]; ok {
			count[o.Value.Broker]++
		}
	}
	for from := range count {
		for to := range count {
			if count[from] > count[to]+1 {
				t.Fatalf("unbalanced: %v\n%s", count, show(w.last))
			}
		}
	}
}

// When a Site at rest does nothing but wait, so that hold-downs end, no Provider
// changes its owner twice: no rule undoes another one.
func TestNothingMovesTwiceByItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := history(t, 25)
		must(t, w.settle())
		before := map[farm.ProviderID]farm.Epoch{}
		for id, o := range w.p.Owners {
			before[id] = o.Value.Epoch
		}
		w.pass(10000 * time.Hour)
		must(t, w.decide())
		must(t, w.settle())
		for id, o := range w.p.Owners {
			if o.Value.Epoch > before[id]+1 {
				t.Fatalf("%s has moved %d times, at last to %s", id, o.Value.Epoch-before[id], record(o.Value))
			}
		}
	})
}

// Losing any one broker of an undisturbed armed Site, and getting it back,
// leaves everything as before.
func TestEverythingIsAsBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := undisturbed(t)
		owners := func() map[farm.ProviderID]farm.BrokerID {
			m := map[farm.ProviderID]farm.BrokerID{}
			for id, o := range w.p.Owners {
				m[id] = o.Value.Broker
			}
			return m
		}
		before, beforeSeats := owners(), w.p.Seats.Value.Seats
		lost := rapid.SampledFrom(w.p.InOrder()).Draw(t, "lost").ID
		w.dies(lost)
		must(t, w.decide())
		must(t, w.settle())
		w.online(lost)
		must(t, w.decide())
		must(t, w.settle())
		w.pass(w.p.Site.Value.Failback.HoldDown)
		must(t, w.decide())
		must(t, w.settle())
		if after := owners(); !maps.Equal(before, after) || !slices.Equal(beforeSeats, w.p.Seats.Value.Seats) {
			t.Fatalf("without %s for a while: before %v %v, after %v %v", lost, before, beforeSeats, after, w.p.Seats.Value.Seats)
		}
	})
}

// A trial is answered by the rules that decide: it changes nothing, and what
// it predicts is what then happens.
func TestPredictionsComeTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := history(t, 15)
		// A prediction takes every hold-down to be over, every move to be made, and
		// knows only its own cuts.
		w.cuts = farm.Cuts{}
		w.p.Site.Value.MaxParallelMoves = 100
		w.pass(10000 * time.Hour)
		must(t, w.settle())
		var trial farm.Trial
		lose := rapid.Bool().Draw(t, "lose")
		for range rapid.IntRange(1, 3).Draw(t, "lost or back") {
			switch b := w.anyBroker(t); {
			case lose && w.p.Online(b):
				trial.Fail = append(trial.Fail, b)
			case !lose && !w.p.Online(b):
				trial.Restore = append(trial.Restore, b)
			}
		}
		before := copyOf(w.p)
		predicted, err := w.p.Simulate(trial, testBounds)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := w.p.Simulate(trial, testBounds)
		if !reflect.DeepEqual(predicted, again) {
			t.Fatalf("predicted in two ways: %+v and %+v", predicted, again)
		}
		if !reflect.DeepEqual(before, copyOf(w.p)) {
			t.Fatal("simulating has changed the picture")
		}
		for _, b := range trial.Fail {
			w.dies(b)
		}
		for _, b := range trial.Restore {
			if !w.p.Online(b) {
				w.online(b)
			}
		}
		must(t, w.decide())
		w.pass(10000 * time.Hour)
		must(t, w.decide())
		must(t, w.settle())
		v := w.p.Seats.Value
		if ha := predicted.HighAvailability; ha.State != v.State || ha.Reason != v.Reason || !slices.Equal(ha.Seats, v.Seats) {
			t.Fatalf("predicted %+v, came %+v", ha, v)
		}
		for _, one := range predicted.Providers {
			owner := w.p.Owners[one.Provider].Value
			if !w.p.Alive(owner.Owner()) {
				owner.Broker = ""
			}
			// What comes back takes its hold-down to get Providers again, and
			// others may have balanced the rest meanwhile.
			if lose && owner.Broker != one.After {
				t.Fatalf("predicted %+v, came %s", one, record(owner))
			}
			unowned := one.After == "" && w.p.Providers[one.Provider].Value.Enabled
			if (one.Before != one.After || unowned) && (one.Reason == "" || !sentence(one.Message)) {
				t.Fatalf("a change without a reason: %+v", one)
			}
		}
	})
}

// Settle, which predictions rest on, ends at a fixpoint.
func TestSettleEndsAtAFixpoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := history(t, 20)
		s := w.situation()
		s.Picture = copyOf(w.p)
		farm.Settle(&s)
		if out := farm.Plan(s); out.Seats != nil || len(out.Decisions) > 0 {
			t.Fatalf("not settled:\n%s", show(out))
		}
		for id, o := range s.Picture.Owners {
			if o.Value.Target != "" && s.Picture.Alive(o.Value.Owner()) || o.Value.Releasing != "" {
				t.Fatalf("%s is not settled: %s", id, record(o.Value))
			}
		}
	})
}
