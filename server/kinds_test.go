package server

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/handlers"
	"github.com/quorate/quorate/provider/vsphere/vspheresim"
)

func TestAKindThatThereIsNotIsAFaultOfTheType(t *testing.T) {
	err := kinds(drivers()).Check(farm.Provider{Type: "abacus"}, "")
	var f handlers.Fault
	if !errors.As(err, &f) || f.Pointer != "/type" {
		t.Errorf("got %v", err)
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

	if err := kinds(drivers()).Check(p, sim.Password()); err != nil {
		t.Error(err)
	}
	if got := kinds(drivers()).Test(t.Context(), p, sim.Password()); !got.OK || got.Hosts != 3 || got.Took <= 0 || got.Took > time.Minute {
		t.Errorf("%+v", got)
	}
	if n := sim.Sessions(); n != 0 {
		t.Errorf("%d sessions remain", n)
	}
	if got := kinds(drivers()).Test(t.Context(), p, "wrong"); got.OK || got.Reason != farm.ReasonInvalidCredentials || got.Message == "" {
		t.Errorf("%+v", got)
	}
}
