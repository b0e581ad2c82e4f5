package farm_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/quorate/quorate/farm"
)

// site makes a picture: active brokers cb-1 … in priority order, then standby
// ones; all online.
func site(active, standby int) *world {
	w := newWorld()
	for i := range active + standby {
		b := farm.Broker{ID: farm.BrokerID("cb-" + string(rune('1'+i))), Mode: farm.ModeActive, Enabled: true, Priority: i}
		if i >= active {
			b.Mode = farm.ModeStandby
		}
		w.putBroker(b)
		w.online(b.ID)
	}
	return w
}

func (w *world) provider(id farm.ProviderID, p farm.Preference) {
	w.putProvider(farm.Provider{ID: id, Enabled: true, Preferred: p})
}

// refusedWith checks that a rule refuses with a code, in a sentence that says
// all of the words.
func refusedWith(t *testing.T, err error, code farm.Code, words ...string) {
	t.Helper()
	var v *farm.Violation
	if !errors.As(err, &v) {
		t.Fatalf("got %v, want %s", err, code)
	}
	if v.Code != code || !sentence(v.Detail) {
		t.Errorf("got %s %q, want %s", v.Code, v.Detail, code)
	}
	for _, word := range words {
		if !strings.Contains(v.Detail, word) {
			t.Errorf("%q does not say %q", v.Detail, word)
		}
	}
	if want := string(code) + ": " + v.Detail; v.Error() != want {
		t.Errorf("got %q, want %q", v.Error(), want)
	}
}

func TestNamesOfThings(t *testing.T) {
	for _, id := range []string{"a", "7", "cb-1", "a--b", strings.Repeat("x", 63)} {
		if !farm.ValidID(id) {
			t.Errorf("%q is refused", id)
		}
	}
	for _, id := range []string{"", "-", "-a", "a-", "A", "a.b", "a/b", "a b", "ä", "a\n", strings.Repeat("x", 64)} {
		if farm.ValidID(id) {
			t.Errorf("%q is accepted", id)
		}
	}
}

func TestMajorityIsStrictlyMoreThanHalf(t *testing.T) {
	for n, want := range map[int]int{1: 1, 2: 2, 3: 2, 4: 3, 5: 3, 6: 4, 7: 4} {
		if got := farm.Majority(n); got != want {
			t.Errorf("of %d seats: got %d, want %d", n, got, want)
		}
	}
}

func TestNewBrokerFillsInModeAndPriority(t *testing.T) {
	for _, c := range []struct {
		active, standby int
		given           farm.Broker
		mode            farm.Mode
		priority        int
	}{
		{0, 0, farm.Broker{Priority: -1}, farm.ModeActive, 0},
		{2, 5, farm.Broker{Priority: -1}, farm.ModeActive, 7},
		{3, 0, farm.Broker{Priority: -1}, farm.ModeStandby, 3},
		{3, 0, farm.Broker{Priority: 1}, farm.ModeStandby, 1},
		{3, 0, farm.Broker{Priority: -1, Mode: farm.ModeActive}, farm.ModeActive, 3},
		{1, 0, farm.Broker{Priority: -1, Mode: farm.ModeStandby}, farm.ModeStandby, 1},
	} {
		c.given.ID = "cb-new"
		got, err := farm.NewBroker(site(c.active, c.standby).p, c.given)
		if err != nil || got.Mode != c.mode || got.Priority != c.priority {
			t.Errorf("%d active, %d standby, %+v: got %s %d", c.active, c.standby, c.given, got.Mode, got.Priority)
		}
	}
	w := site(3, 0)
	b := w.p.Brokers["cb-3"].Value
	b.Enabled = false
	w.putBroker(b)
	if got, _ := farm.NewBroker(w.p, farm.Broker{ID: "cb-new"}); got.Mode != farm.ModeActive {
		t.Errorf("a disabled broker has a seat: %+v", got)
	}
}

func TestASiteHasSoManyBrokersThatStorageCanCompareThem(t *testing.T) {
	if _, err := farm.NewBroker(site(3, farm.MaxBrokers-4).p, farm.Broker{ID: "cb-new"}); err != nil {
		t.Errorf("the last broker: %v", err)
	}
	_, err := farm.NewBroker(site(3, farm.MaxBrokers-3).p, farm.Broker{ID: "cb-new"})
	var v *farm.Violation
	if !errors.As(err, &v) || v.Code != farm.CodeTooManyBrokers {
		t.Errorf("one too many: %v", err)
	}
}

func TestNoWriteDisarmsASiteUnnoticed(t *testing.T) {
	disabled := func(b farm.Broker) farm.Broker { b.Enabled = false; return b }
	standby := func(b farm.Broker) farm.Broker { b.Mode = farm.ModeStandby; return b }
	drained := func(b farm.Broker) farm.Broker { b.Draining, b.Priority = true, 9; return b }
	for _, c := range []struct {
		name   string
		active int
		armed  bool
		change func(farm.Broker) farm.Broker
		accept bool
		ok     bool
	}{
		{"three seats, one disabled", 3, true, disabled, false, false},
		{"three seats, one made standby", 3, true, standby, false, false},
		{"three seats, the loss accepted", 3, true, disabled, true, true},
		{"three seats, never armed", 3, false, disabled, false, true},
		{"four seats, one disabled", 4, true, disabled, false, true},
		{"three seats, one drained", 3, true, drained, false, true},
	} {
		w := site(c.active, 1)
		w.p.Seats.Value.Armed = c.armed
		err := farm.CheckBroker(w.p, c.change(w.p.Brokers["cb-2"].Value), c.accept)
		if c.ok && err != nil {
			t.Errorf("%s: refused: %v", c.name, err)
		}
		if !c.ok {
			refusedWith(t, err, farm.CodeWouldTurnOffHighAvailability, "2 seats", "needs 3")
			if v := err.(*farm.Violation); len(v.Effects) != 4 || !slices.ContainsFunc(v.Effects, sentence) {
				t.Errorf("%s: effects %q", c.name, v.Effects)
			}
		}
	}
	// Making a seat of what is none is never refused, even if it is not enough.
	w := site(1, 1)
	w.p.Seats.Value.Armed = true // it cannot be, but a rule must not depend on that
	b := w.p.Brokers["cb-2"].Value
	b.Mode = farm.ModeActive
	if err := farm.CheckBroker(w.p, b, false); err != nil {
		t.Error(err)
	}
}

func TestDeletingABroker(t *testing.T) {
	w := site(4, 1)
	w.p.Seats.Value.Armed = true
	refusedWith(t, farm.CheckDeleteBroker(w.p, "cb-4", true), farm.CodeBrokerOnline, "cb-4", "Stop its server")
	w.dies("cb-4")
	if err := farm.CheckDeleteBroker(w.p, "cb-4", false); err != nil {
		t.Errorf("the fourth of four: %v", err)
	}
	w.dies("cb-5")
	if err := farm.CheckDeleteBroker(w.p, "cb-5", false); err != nil {
		t.Errorf("a standby: %v", err)
	}
	w.provider("vc-2", farm.Manual("cb-4"))
	w.putProvider(farm.Provider{ID: "vc-1", MovedTo: "cb-4"})
	w.provider("vc-3", farm.Manual("cb-1"))
	refusedWith(t, farm.CheckDeleteBroker(w.p, "cb-4", true), farm.CodeBrokerInUse, "vc-1, vc-2.")
	delete(w.p.Brokers, "cb-4")
	w.dies("cb-2")
	refusedWith(t, farm.CheckDeleteBroker(w.p, "cb-2", false), farm.CodeWouldTurnOffHighAvailability, "2 seats")
	if err := farm.CheckDeleteBroker(w.p, "cb-2", true); err != nil {
		t.Errorf("accepted: %v", err)
	}
}

func TestDeletingASite(t *testing.T) {
	w := site(2, 0)
	w.provider("vc-1", farm.Manual("cb-1"))
	refusedWith(t, farm.CheckDeleteSite(w.p), farm.CodeBrokerOnline, "2 brokers are online in the Site. Stop their servers first")
	w.dies("cb-1")
	refusedWith(t, farm.CheckDeleteSite(w.p), farm.CodeBrokerOnline, "1 broker is online in the Site. Stop its server first")
	w.dies("cb-2")
	refusedWith(t, farm.CheckDeleteSite(w.p), farm.CodeSiteNotEmpty, "1 Provider. Delete it first.")
	delete(w.p.Providers, "vc-1")
	if err := farm.CheckDeleteSite(w.p); err != nil {
		t.Error(err)
	}
}

func TestAvailableBrokers(t *testing.T) {
	w := site(3, 2)
	is := func(want ...farm.BrokerID) {
		t.Helper()
		if got := w.p.Available(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	is("cb-1", "cb-2", "cb-3")
	w.dies("cb-2")
	is("cb-1", "cb-3") // not armed: nobody stands in
	w.p.Seats.Value.Armed = true
	is("cb-1", "cb-4", "cb-3")
	b := w.p.Brokers["cb-4"].Value
	b.Enabled = false
	w.putBroker(b)
	is("cb-1", "cb-5", "cb-3")
	w.dies("cb-5")
	is("cb-1", "cb-3")
}

func TestChoosingAPreference(t *testing.T) {
	w := site(3, 0)
	chosen, why, err := farm.ChoosePreference(w.p, farm.Preference{})
	if chosen != farm.Automatic || !sentence(why) || err != nil {
		t.Errorf("got %v %q %v", chosen, why, err)
	}
	if chosen, _, err = farm.ChoosePreference(w.p, farm.Manual("cb-2")); chosen != farm.Manual("cb-2") || err != nil {
		t.Errorf("got %v %v", chosen, err)
	}
	_, _, err = farm.ChoosePreference(w.p, farm.Manual("cb-9"))
	refusedWith(t, err, farm.CodeUnknownBroker, `"cb-9"`)
	_, _, err = farm.ChoosePreference(w.p, farm.Manual(""))
	refusedWith(t, err, farm.CodeUnknownBroker)

	w.dies("cb-1")
	chosen, why, err = farm.ChoosePreference(w.p, farm.Preference{})
	if chosen != farm.Manual("cb-2") || !strings.Contains(why, "Only 2 active brokers are available") || err != nil {
		t.Errorf("got %v %q %v", chosen, why, err)
	}
	_, _, err = farm.ChoosePreference(w.p, farm.Automatic)
	refusedWith(t, err, farm.CodeThreeActiveBrokersRequired, "at least 3", "the Site has 2.")
	if err := farm.CheckPreference(w.p, farm.Automatic, farm.Automatic); err != nil {
		t.Errorf("no change: %v", err)
	}
	refusedWith(t, farm.CheckPreference(w.p, farm.Manual("cb-2"), farm.Automatic), farm.CodeThreeActiveBrokersRequired)

	w.dies("cb-2")
	w.dies("cb-3")
	_, _, err = farm.ChoosePreference(w.p, farm.Preference{})
	refusedWith(t, err, farm.CodeNoBrokerAvailable)
}

func TestMovingToABroker(t *testing.T) {
	w := site(3, 1)
	if err := farm.CheckMove(w.p, "cb-3"); err != nil {
		t.Error(err)
	}
	refusedWith(t, farm.CheckMove(w.p, "cb-9"), farm.CodeUnknownBroker, "cb-9")
	refusedWith(t, farm.CheckMove(w.p, "cb-4"), farm.CodeBrokerNotAvailable, "cb-4 sits on no seat")
	w.leaves("cb-3")
	refusedWith(t, farm.CheckMove(w.p, "cb-3"), farm.CodeBrokerNotAvailable, "cb-3 is shutting down")
	w.dies("cb-3")
	refusedWith(t, farm.CheckMove(w.p, "cb-3"), farm.CodeBrokerNotAvailable, "cb-3 is offline")
}

func TestTheOrderOfBrokers(t *testing.T) {
	order := func(w *world) (ids []farm.BrokerID) {
		for _, b := range w.p.InOrder() {
			ids = append(ids, b.ID)
		}
		return ids
	}
	apply := func(w *world, changed []farm.Broker) int {
		for _, b := range changed {
			w.putBroker(b)
		}
		return len(changed)
	}
	w := site(3, 1)
	if n := apply(w, farm.MoveUp(w.p, "cb-1")) + apply(w, farm.MoveDown(w.p, "cb-4")) + apply(w, farm.MoveUp(w.p, "cb-9")); n != 0 {
		t.Errorf("the first up, the last down or nobody: %d changed", n)
	}
	if n := apply(w, farm.MoveUp(w.p, "cb-3")); n != 2 || !slices.Equal(order(w), []farm.BrokerID{"cb-1", "cb-3", "cb-2", "cb-4"}) {
		t.Errorf("%d changed: %v", n, order(w))
	}
	if n := apply(w, farm.MoveDown(w.p, "cb-3")); n != 2 || !slices.Equal(order(w), []farm.BrokerID{"cb-1", "cb-2", "cb-3", "cb-4"}) {
		t.Errorf("%d changed: %v", n, order(w))
	}
	// Priorities that are the same or far apart become places.
	for id, b := range w.p.Brokers {
		b.Value.Priority = map[farm.BrokerID]int{"cb-1": 5, "cb-2": 5, "cb-3": 5, "cb-4": 90}[id]
		w.putBroker(b.Value)
	}
	apply(w, farm.MoveDown(w.p, "cb-1"))
	if !slices.Equal(order(w), []farm.BrokerID{"cb-2", "cb-1", "cb-3", "cb-4"}) {
		t.Errorf("got %v", order(w))
	}
	for place, b := range w.p.InOrder() {
		if b.Priority != place {
			t.Errorf("%s has priority %d", b.ID, b.Priority)
		}
	}
}

func TestAProviderThatNobodyMayOwnIsNotMoved(t *testing.T) {
	p := site(3, 0).p
	if err := farm.CheckMovable(p, farm.Provider{ID: "vc-1", Enabled: true}); err != nil {
		t.Error(err)
	}
	refusedWith(t, farm.CheckMovable(p, farm.Provider{ID: "vc-1"}), farm.CodeProviderNotMovable, "vc-1 is disabled")
	p.Seats.Revision, p.Seats.Value.Armed, p.Seats.Value.State = 1, true, farm.StateLost
	refusedWith(t, farm.CheckMovable(p, farm.Provider{ID: "vc-1", Enabled: true}), farm.CodeProviderNotMovable, "no majority")
}
