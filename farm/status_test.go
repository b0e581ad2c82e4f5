package farm_test

import (
	"slices"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
)

// running is a Site at rest: three brokers and three Providers, each connected
// with two Hosts, of which one is on.
func running(t *testing.T) *world {
	t.Helper()
	w := site(3, 1)
	for _, id := range []farm.ProviderID{"vc-1", "vc-2", "vc-3"} {
		w.provider(id, farm.Automatic)
		w.p.Hosts[id] = map[farm.HostID]farm.Host{
			"a": {ID: "a", State: farm.HostOn},
			"b": {ID: "b", State: farm.HostOff},
		}
	}
	if err := w.decide(); err != nil {
		t.Fatal(err)
	}
	for id, o := range w.p.Owners {
		w.p.Reports[id] = farm.Report{Epoch: o.Value.Epoch, State: farm.Connected, Since: start}
	}
	w.pass(time.Hour)
	return w
}

func TestWhichHostsAreAvailable(t *testing.T) {
	for _, c := range []struct {
		host   farm.Host
		usable bool
	}{
		{farm.Host{State: farm.HostOn}, true},
		{farm.Host{State: farm.HostOn, Maintenance: true}, false},
		{farm.Host{State: farm.HostOff}, false},
		{farm.Host{State: farm.HostSuspended}, false},
		{farm.Host{State: farm.HostStarting}, false},
		{farm.Host{State: farm.HostStopping}, false},
		{farm.Host{State: farm.HostUnknown}, false},
		{farm.Host{}, false},
	} {
		w := running(t)
		if got := w.p.HostAvailable("vc-1", c.host); got != c.usable {
			t.Errorf("%+v: available is %v", c.host, got)
		}
		w.p.Reports["vc-1"] = farm.Report{Epoch: 1, State: farm.Failed}
		if w.p.HostAvailable("vc-1", c.host) {
			t.Errorf("%+v: available while its Provider has failed", c.host)
		}
	}
}

func TestProviderStatus(t *testing.T) {
	w := running(t)
	got := w.p.ProviderStatus("vc-2")
	want := farm.ProviderStatus{
		State: farm.ProviderConnected, Owner: "cb-2", Epoch: 1, Home: "cb-2", Preference: farm.PreferenceStatus{Honored: true},
		Since: start, OwnerSince: start, OwnerReason: farm.ReasonInitial, Hosts: 2, Available: 1,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	// A report of another epoch is of another owner.
	w.p.Reports["vc-2"] = farm.Report{Epoch: 2, State: farm.Failed, Reason: farm.ReasonTimeout}
	if got := w.p.ProviderStatus("vc-2"); got.State != farm.ProviderConnecting || got.Reason != "" || got.Available != 0 || got.Hosts != 2 {
		t.Errorf("got %+v", got)
	}
	// Its owner's presence gone and nobody has decided yet.
	w.dies("cb-2")
	if got := w.p.ProviderStatus("vc-2"); got.State != farm.ProviderUnavailable || got.Reason != farm.ReasonBrokerOffline || got.Owner != "cb-2" {
		t.Errorf("got %+v", got)
	}
	// Disabled comes before everything.
	c := w.p.Providers["vc-2"].Value
	c.Enabled = false
	w.putProvider(c)
	if got := w.p.ProviderStatus("vc-2"); got.State != farm.ProviderDisabled || got.Reason != farm.ReasonProviderDisabled {
		t.Errorf("got %+v", got)
	}
}

func TestEveryStateOfAProviderSaysWhy(t *testing.T) {
	w := running(t)
	w.p.Reports["vc-1"] = farm.Report{Epoch: 1, State: farm.Failed, Reason: farm.ReasonCertificateUntrusted, Message: "Its certificate is not trusted."}
	if got := w.p.ProviderStatus("vc-1"); got.State != farm.ProviderFailed || got.Reason != farm.ReasonCertificateUntrusted || got.Message == "" {
		t.Errorf("got %+v", got)
	}
	w.dies("cb-1")
	w.dies("cb-2")
	w.dies("cb-4")
	if err := w.decide(); err != nil {
		t.Fatal(err)
	}
	for _, id := range []farm.ProviderID{"vc-1", "vc-2", "vc-3"} {
		if got := w.p.ProviderStatus(id); got.State != farm.ProviderAbandoned || got.Reason != farm.ReasonMajorityLost || !sentence(got.Message) || got.Home == "" {
			t.Errorf("%s: got %+v", id, got)
		}
	}
}

func TestBrokerStatus(t *testing.T) {
	w := running(t)
	got := w.p.BrokerStatus("cb-2")
	if got.State != farm.BrokerOnline || got.Role != farm.RoleActive || got.Occupies != "cb-2" || got.StandsInFor != "" ||
		got.Providers != 1 || got.Incarnation != w.p.Presence["cb-2"].Incarnation || !got.Since.Equal(start) || got.Reason != "" {
		t.Errorf("got %+v", got)
	}
	if !got.Contact["cb-1"] || !got.Contact["cb-4"] || len(got.Contact) != 3 {
		t.Errorf("in contact with %v", got.Contact)
	}
	w.dies("cb-2")
	if err := w.decide(); err != nil {
		t.Fatal(err)
	}
	got = w.p.BrokerStatus("cb-4")
	if got.Role != farm.RoleActivated || got.Occupies != "cb-2" || got.StandsInFor != "cb-2" || got.Providers != 1 {
		t.Errorf("got %+v", got)
	}
	got = w.p.BrokerStatus("cb-2")
	if got.State != farm.BrokerOffline || got.Role != farm.RoleActive || got.Occupies != "" || got.Providers != 0 || len(got.Contact) != 0 {
		t.Errorf("got %+v", got)
	}
	b := w.p.Brokers["cb-3"].Value
	b.Draining = true
	w.putBroker(b)
	if got = w.p.BrokerStatus("cb-3"); !got.Draining || got.Reason != farm.ReasonBrokerDraining {
		t.Errorf("got %+v", got)
	}
	if got = w.p.BrokerStatus("cb-9"); got.State != farm.BrokerDisabled || got.Role != farm.RoleIdle {
		t.Errorf("nobody: got %+v", got)
	}
}

func TestSiteStatus(t *testing.T) {
	w := running(t)
	got := w.p.SiteStatus()
	if got.HighAvailability.State != farm.StateOn || got.HighAvailability.Majority != 2 || len(got.HighAvailability.Seats) != 3 ||
		got.Coordinator != "cb-1" || len(got.Warnings) != 0 {
		t.Errorf("got %+v", got)
	}
	if want := (farm.BrokerCounts{Total: 4, Online: 4, Active: 3, Standby: 1}); got.Brokers != want {
		t.Errorf("got %+v, want %+v", got.Brokers, want)
	}
	w.p.Reports["vc-2"] = farm.Report{Epoch: 1, State: farm.Failed, Reason: farm.ReasonTimeout}
	w.provider("vc-4", farm.Automatic)
	if got, want := w.p.SiteStatus().Providers, (farm.ProviderCounts{Total: 4, Connected: 2, Failed: 1, Unavailable: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	w.dies("cb-1")
	w.dies("cb-2")
	if err := w.decide(); err != nil {
		t.Fatal(err)
	}
	got = w.p.SiteStatus()
	if want := (farm.BrokerCounts{Total: 4, Online: 2, Active: 2}); got.Brokers != want {
		t.Errorf("got %+v, want %+v", got.Brokers, want)
	}
	w.dies("cb-4")
	if err := w.decide(); err != nil {
		t.Fatal(err)
	}
	if got, want := w.p.SiteStatus().Providers, (farm.ProviderCounts{Total: 4, Abandoned: 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Without a coordinator nobody keeps the stored verdict true, so the picture
// says what a coordinator would find.
func TestWithoutACoordinatorTheVerdictIsWhatOneWouldFind(t *testing.T) {
	w := running(t)
	w.dies("cb-1")
	w.dies("cb-2")
	w.dies("cb-4")
	w.p.Coordinator = farm.Coordinator{Broker: "cb-3", Term: 1}
	if got := w.p.SiteStatus().HighAvailability.State; got != farm.StateOn {
		t.Errorf("with a coordinator: got %s, want what it has stored", got)
	}
	w.p.Coordinator = farm.Coordinator{}
	got := w.p.SiteStatus()
	if got.HighAvailability.State != farm.StateLost {
		t.Errorf("got %s", got.HighAvailability.State)
	}
	if !slices.ContainsFunc(got.Warnings, func(w farm.Warning) bool { return w.Code == "no-coordinator" && sentence(w.Message) }) {
		t.Errorf("got %v", got.Warnings)
	}
	w.dies("cb-3")
	for _, warning := range w.p.SiteStatus().Warnings {
		if warning.Code == "no-coordinator" {
			t.Error("a coordinator is missed where nobody is")
		}
	}
}

// While high availability is off, a new Provider that a broker can take only
// waits for it.
func TestStatusOfANewProviderWhileHighAvailabilityIsOff(t *testing.T) {
	for _, prefers := range []farm.Preference{farm.Automatic, farm.Manual("cb-2")} {
		w := site(2, 0)
		w.provider("vc-1", prefers)
		if st := w.p.ProviderStatus("vc-1"); st.Reason != farm.ReasonInitial || st.Message != "The Provider is waiting for its first owner." {
			t.Errorf("%+v: got %s: %s", prefers, st.Reason, st.Message)
		}
	}
	w := site(2, 0)
	w.provider("vc-1", farm.Manual("cb-2"))
	w.dies("cb-2")
	if st := w.p.ProviderStatus("vc-1"); st.Reason != farm.ReasonHighAvailabilityOff {
		t.Errorf("its broker is offline: got %s: %s", st.Reason, st.Message)
	}
}

func TestSinceWhenABrokerIsOffline(t *testing.T) {
	w := running(t)
	w.dies("cb-2")
	if st := w.p.BrokerStatus("cb-2"); !st.Since.IsZero() {
		t.Errorf("nobody has told: got %s", st.Since)
	}
	if err := w.decide(); err != nil {
		t.Fatal(err)
	}
	w.p.Events = w.past
	gone := w.now
	w.pass(time.Hour)
	if st := w.p.BrokerStatus("cb-2"); st.State != farm.BrokerOffline || !st.Since.Equal(gone) {
		t.Errorf("got %s since %s, want since %s", st.State, st.Since, gone)
	}
}
