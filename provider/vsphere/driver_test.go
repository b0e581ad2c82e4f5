package vsphere_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
	"github.com/quorate/quorate/provider/providertest"
	"github.com/quorate/quorate/provider/vsphere"
	"github.com/quorate/quorate/provider/vsphere/vspheresim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDriver(t *testing.T) {
	providertest.Run(t, providertest.Fixture{
		Driver: vsphere.Driver{},
		Start:  peer,
		Within: 4 * time.Second,
	})
}

func peer(t *testing.T) providertest.Peer {
	sim := start(t, vspheresim.Config{})
	target := trusting(sim)
	wrong := target
	wrong.Secret = "not-the-password"
	untrusted := target
	untrusted.Options = nil
	on := true
	return providertest.Peer{
		Target: target,
		Change: func() (farm.HostID, farm.HostState) {
			if on = !on; on {
				must(t, sim.PowerOn(sim.Name(1)))
				return id(t, sim, 1), farm.HostOn
			}
			must(t, sim.PowerOff(sim.Name(1)))
			return id(t, sim, 1), farm.HostOff
		},
		Remove: func() farm.HostID {
			gone := id(t, sim, 2)
			must(t, sim.Remove(sim.Name(2)))
			return gone
		},
		Sessions: sim.Sessions,
		Stop:     sim.Close,
		At: func(hostport string) provider.Target {
			at := target
			at.Address = "https://" + hostport + "/sdk"
			return at
		},
		WrongSecret: &wrong,
		Untrusted:   &untrusted,
	}
}

func start(t testing.TB, c vspheresim.Config) *vspheresim.Server {
	t.Helper()
	sim, err := vspheresim.Start(c)
	must(t, err)
	t.Cleanup(sim.Close)
	return sim
}

func trusting(sim *vspheresim.Server) provider.Target {
	options, _ := json.Marshal(map[string]string{"caCertificate": sim.CertificatePEM()})
	return provider.Target{
		Address: sim.URL(), Username: sim.Username(), Secret: sim.Password(), Options: options,
	}
}

func id(t testing.TB, sim *vspheresim.Server, n int) farm.HostID {
	t.Helper()
	ref, err := sim.ID(sim.Name(n))
	must(t, err)
	return farm.HostID(ref)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// connect returns a Conn that is closed when the test is over.
func connect(t testing.TB, target provider.Target) provider.Conn {
	t.Helper()
	conn, err := vsphere.Driver{}.Connect(t.Context(), target)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func next(t testing.TB, conn provider.Conn) provider.Inventory {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	n, err := conn.Next(ctx)
	must(t, err)
	return n
}

// Whether a vCenter is reached is seen without any credentials.
func TestReach(t *testing.T) {
	sim, err := vspheresim.Start(vspheresim.Config{Hosts: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	there := provider.Target{Address: sim.URL()}
	if err := (vsphere.Driver{}).Reach(ctx, there); err != nil {
		t.Error(err)
	}
	sim.Close()
	if err := (vsphere.Driver{}).Reach(ctx, there); !errors.Is(err, provider.ErrConnectionFailed) {
		t.Errorf("when it is gone: %v", err)
	}
	if err := (vsphere.Driver{}).Reach(ctx, provider.Target{Address: "http://x"}); !errors.Is(err, provider.ErrInvalidOptions) {
		t.Errorf("no address: %v", err)
	}
}
