package vspheresim_test

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
	"go.uber.org/goleak"

	"github.com/quorate/quorate/provider/vsphere/vspheresim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, c vspheresim.Config) *vspheresim.Server {
	t.Helper()
	sim, err := vspheresim.Start(c)
	must(t, err)
	t.Cleanup(sim.Close)
	return sim
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func login(t *testing.T, sim *vspheresim.Server, password string) (*govmomi.Client, error) {
	t.Helper()
	u, err := url.Parse(sim.URL())
	must(t, err)
	u.User = url.UserPassword(sim.Username(), password)
	c, err := govmomi.NewClient(t.Context(), u, true)
	if err == nil {
		t.Cleanup(c.CloseIdleConnections)
	}
	return c, err
}

func TestPoolLooksReal(t *testing.T) {
	sim := start(t, vspheresim.Config{})
	c, err := login(t, sim, sim.Password())
	must(t, err)
	vms, err := find.NewFinder(c.Client).VirtualMachineList(t.Context(), "/...")
	must(t, err)
	if len(vms) != vspheresim.DefaultHosts {
		t.Fatalf("there are %d VMs", len(vms))
	}
	on := 0
	for _, ref := range vms {
		var vm mo.VirtualMachine
		must(t, property.DefaultCollector(c.Client).RetrieveOne(t.Context(), ref.Reference(), []string{"name", "guest", "config", "runtime"}, &vm))
		if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
			on++
			if vm.Guest.IpAddress == "" || vm.Guest.GuestFullName == "" || vm.Guest.HostName != vm.Name {
				t.Errorf("%s is on, and its guest is %+v", vm.Name, vm.Guest)
			}
		} else if vm.Guest.IpAddress != "" {
			t.Errorf("%s is off, and has the address %s", vm.Name, vm.Guest.IpAddress)
		}
	}
	if on != 8 {
		t.Errorf("%d of %d VMs are on", on, len(vms))
	}
}

func TestAWrongPasswordIsRefused(t *testing.T) {
	sim := start(t, vspheresim.Config{Username: "root", Password: "right"})
	if _, err := login(t, sim, "wrong"); err == nil {
		t.Fatal("logged in")
	}
	if _, err := login(t, sim, "right"); err != nil {
		t.Fatal(err)
	}
	if n := sim.Sessions(); n != 1 {
		t.Fatalf("there are %d sessions", n)
	}
	must(t, sim.TerminateSessions())
	if n := sim.Sessions(); n != 0 {
		t.Fatalf("there are %d sessions", n)
	}
}

func TestSeveralInOneProcess(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			sim, err := vspheresim.Start(vspheresim.Config{Hosts: 3 + i, Prefix: string(rune('a'+i)) + "-"})
			if err != nil {
				t.Error(err)
				return
			}
			defer sim.Close()
			if err := sim.PowerOff(sim.Name(1)); err != nil {
				t.Error(err)
			}
			if _, err := sim.ID(sim.Name(3 + i)); err != nil {
				t.Error(err)
			}
			if _, err := sim.ID(sim.Name(4 + i)); err == nil {
				t.Error("has a VM of another")
			}
		})
	}
	wg.Wait()
}

func TestPowerIsRepeatable(t *testing.T) {
	sim := start(t, vspheresim.Config{Hosts: 1})
	for range 2 {
		must(t, sim.PowerOff(sim.Name(1)))
		must(t, sim.PowerOff(sim.Name(1)))
		must(t, sim.PowerOn(sim.Name(1)))
		must(t, sim.PowerOn(sim.Name(1)))
	}
	must(t, sim.Remove(sim.Name(1)))
	if err := sim.PowerOn(sim.Name(1)); err == nil {
		t.Fatal("turned on a VM that is not there")
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	sim := start(t, vspheresim.Config{Listener: l, Names: []string{"vcenter.test", "192.0.2.1"}})
	c, err := login(t, sim, sim.Password())
	must(t, err)
	waiting := make(chan error, 1)
	go func() {
		waiting <- property.Wait(t.Context(), property.DefaultCollector(c.Client), *c.ServiceContent.SessionManager,
			[]string{"defaultLocale"}, func([]types.PropertyChange) bool { return false })
	}()
	for sim.Requests() == 0 { // until it waits
		time.Sleep(time.Millisecond)
	}
	begin := time.Now()
	sim.Close()
	sim.Close()
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("close took %s", took)
	}
	if err := <-waiting; err == nil {
		t.Error("the client did not notice")
	}
	left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*"))
	must(t, err)
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Ten VMs are to be there at once; the bound leaves room for a busy machine.
func TestStartIsQuick(t *testing.T) {
	begin := time.Now()
	start(t, vspheresim.Config{})
	took := time.Since(begin)
	t.Logf("took %s", took)
	if took > 2*time.Second {
		t.Fatalf("took %s", took)
	}
}
