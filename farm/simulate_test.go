package farm_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
)

func TestATrialOfSettings(t *testing.T) {
	w := running(t)
	before := copyOf(w.p)
	b := w.p.Brokers["cb-3"].Value
	b.Enabled = false
	c := w.p.Providers["vc-1"].Value
	c.Preferred = farm.Manual("cb-2")
	added := farm.Provider{ID: "vc-9", Enabled: true, Preferred: farm.Automatic}
	tried, err := w.p.Simulate(farm.Trial{Brokers: []farm.Broker{b}, Providers: []farm.Provider{c, added}}, testBounds)
	if err != nil {
		t.Fatal(err)
	}
	if tried.HighAvailability.State != farm.StateOff || len(tried.HighAvailability.Seats) != 2 {
		t.Errorf("got %+v", tried.HighAvailability)
	}
	after := map[farm.ProviderID]farm.BrokerID{}
	for _, p := range tried.Providers {
		after[p.Provider] = p.After
	}
	if want := (map[farm.ProviderID]farm.BrokerID{"vc-1": "cb-2", "vc-2": "cb-2", "vc-3": "cb-1", "vc-9": "cb-1"}); !reflect.DeepEqual(after, want) {
		t.Errorf("got %v, want %v", after, want)
	}
	if tried.HostsAffected != 4 || tried.LongestOutage != testBounds.PlannedMove || tried.Unbounded {
		t.Errorf("got %+v", tried)
	}
	if !reflect.DeepEqual(before, copyOf(w.p)) {
		t.Error("the picture has changed")
	}
}

func TestATrialOfAnEmptySite(t *testing.T) {
	empty := &farm.Picture{Site: farm.Stored[farm.Site]{Value: farm.NewSite("new")}}
	tried, err := empty.Simulate(farm.Trial{}, testBounds)
	if err != nil || tried.HighAvailability.State != farm.StateOff || len(tried.Providers) != 0 {
		t.Errorf("got %+v %v", tried, err)
	}
	tried, err = empty.Simulate(farm.Trial{
		Brokers:   []farm.Broker{{ID: "cb-1", Mode: farm.ModeActive, Enabled: true}},
		Providers: []farm.Provider{{ID: "vc-1", Enabled: true, Preferred: farm.Automatic}},
	}, testBounds)
	if err != nil || len(tried.Providers) != 1 || tried.Providers[0].After != "" || tried.Providers[0].Reason != farm.ReasonHighAvailabilityOff {
		t.Errorf("got %+v %v", tried, err)
	}
	if s := empty.SiteStatus(); s.HighAvailability.State != farm.StateOff {
		t.Errorf("got %+v", s)
	}
}

// Without a majority that is the reason for every Provider, also for one that
// never had an owner.
func TestATrialThatLosesTheMajority(t *testing.T) {
	w := running(t)
	w.provider("vc-9", farm.Automatic)
	tried, err := w.p.Simulate(farm.Trial{Fail: []farm.BrokerID{"cb-1", "cb-2", "cb-4"}}, testBounds)
	if err != nil || len(tried.Providers) != 4 || !tried.Unbounded || tried.HostsAffected != 6 {
		t.Fatalf("got %+v %v", tried, err)
	}
	for _, p := range tried.Providers {
		if p.After != "" || p.Reason != farm.ReasonMajorityLost || p.Message != tried.HighAvailability.Message {
			t.Errorf("got %+v", p)
		}
	}
}

func TestATrialNamesBrokersThatExist(t *testing.T) {
	w := running(t)
	for _, trial := range []farm.Trial{
		{Fail: []farm.BrokerID{"cb-9"}},
		{Restore: []farm.BrokerID{"cb-9"}},
		{Partition: [][]farm.BrokerID{{"cb-1"}, {"cb-2", "cb-9"}}},
	} {
		_, err := w.p.Simulate(trial, testBounds)
		refusedWith(t, err, farm.CodeUnknownBroker, "cb-9")
	}
}

func TestStoppableInPlainWords(t *testing.T) {
	w := running(t)
	s := w.p.Stoppable("cb-1", testBounds)
	if !s.Stoppable || len(s.Reasons) != 0 || len(s.Effects) != 2 {
		t.Errorf("got %+v", s)
	}
	for _, e := range s.Effects {
		if !sentence(e) {
			t.Errorf("%q is no sentence", e)
		}
	}
	// A Provider that is about to get its first owner has nothing to do with it.
	w.provider("vc-9", farm.Automatic)
	if again := w.p.Stoppable("cb-1", testBounds); !reflect.DeepEqual(s, again) {
		t.Errorf("got %+v, want %+v", again, s)
	}
	delete(w.p.Providers, "vc-9")
	w.dies("cb-1")
	w.dies("cb-2")
	if err := w.decide(); err != nil {
		t.Fatal(err)
	}
	s = w.p.Stoppable("cb-4", testBounds)
	if s.Stoppable || len(s.Reasons) != 1 {
		t.Errorf("got %+v", s)
	}
	if s = w.p.Stoppable("cb-9", testBounds); !s.Stoppable || len(s.Effects) != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestBounds(t *testing.T) {
	b := farm.Timing{TTL: 2 * time.Second, Margin: 200 * time.Millisecond, Election: time.Second}.Bounds()
	if want := (farm.Bounds{
		ProcessDied: 500 * time.Millisecond, BrokerLost: 3 * time.Second, BrokerAndStorageLeader: 8 * time.Second,
		BrokerOutOfContact: 2350 * time.Millisecond, PlannedMove: 500 * time.Millisecond,
	}); b != want {
		t.Errorf("got %+v, want %+v", b, want)
	}
	for ttl, want := range map[time.Duration]time.Duration{
		time.Second: 200 * time.Millisecond, 2 * time.Second: 200 * time.Millisecond, 10 * time.Second: time.Second,
	} {
		if got := farm.MinMargin(ttl); got != want {
			t.Errorf("of %s: got %s, want %s", ttl, got, want)
		}
	}
}
