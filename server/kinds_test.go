package server

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider/vsphere/vspheresim"
)

func TestAKindThatThereIsNotIsAFaultOfTheType(t *testing.T) {
	faults := kinds(drivers()).Check(farm.Provider{Type: "abacus"}, "")
	if len(faults) != 1 || faults[0].Pointer != "/type" {
		t.Errorf("got %v", faults)
	}
}

func TestEveryKindDescribesItself(t *testing.T) {
	for _, k := range kinds(drivers()).Types() {
		if k.ID == "" || k.Name == "" || k.Description == "" || !json.Valid(k.Options) {
			t.Errorf("%+v", k)
		}
	}
}

func TestATestOfAProviderConnectsAndLeavesNothing(t *testing.T) {
	sim, err := vspheresim.Start(vspheresim.Config{Hosts: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	options, err := json.Marshal(map[string]string{"caCertificate": sim.CertificatePEM()})
	if err != nil {
		t.Fatal(err)
	}
	p := farm.Provider{Type: "vsphere", Address: sim.URL(), Username: sim.Username(), Options: options}

	if faults := kinds(drivers()).Check(p, sim.Password()); len(faults) > 0 {
		t.Error(faults)
	}
	if got := kinds(drivers()).Test(t.Context(), p, sim.Password()); !got.OK || got.Hosts != 3 || got.Took <= 0 || got.Took > time.Minute {
		t.Errorf("%+v", got)
	}
	if n := sim.Sessions(); n != 0 {
		t.Errorf("%d sessions remain", n)
	}
	if got := kinds(drivers()).Test(t.Context(), p, "wrong"); got.OK || got.Reason != farm.ReasonInvalidCredentials || got.Message != "vSphere refused the user name or password." || got.Err == nil {
		t.Errorf("%+v", got)
	}
}
