package vsphere_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
	"github.com/quorate/quorate/provider/vsphere/vspheresim"
)

func TestInventoryOfAVCenter(t *testing.T) {
	sim := start(t, vspheresim.Config{})
	all := next(t, connect(t, trusting(sim)))
	if len(all.Hosts) != 10 {
		t.Fatalf("there are %d Hosts", len(all.Hosts))
	}
	want := map[string]farm.Host{
		"desktop-001": {State: farm.HostOn, Addresses: []string{"10.20.0.2", "fd20::1"}, GuestOS: "Microsoft Windows 11 (64-bit)"},
		"desktop-004": {State: farm.HostOn, Addresses: []string{"10.20.0.5", "fd20::4"}, GuestOS: "Ubuntu Linux (64-bit)"},
		"desktop-005": {State: farm.HostOff, GuestOS: "Microsoft Windows 11 (64-bit)"},
	}
	for _, h := range all.Hosts {
		w, ok := want[h.Name]
		if ok && (h.State != w.State || !slices.Equal(h.Addresses, w.Addresses) || h.GuestOS != w.GuestOS) {
			t.Errorf("%s is %+v, want %+v", h.Name, h, w)
		}
		delete(want, h.Name)
		if !strings.HasPrefix(string(h.ID), "vm-") {
			t.Errorf("%s has the id %s", h.Name, h.ID)
		}
	}
	if len(want) != 0 {
		t.Errorf("not there: %v", want)
	}
}

func TestInventoryOfMoreThanOnePage(t *testing.T) {
	sim := start(t, vspheresim.Config{Hosts: 230})
	conn := connect(t, trusting(sim))
	if n := len(next(t, conn).Hosts); n != 230 {
		t.Fatalf("there are %d Hosts, want 230", n)
	}
	must(t, sim.PowerOff(sim.Name(1)))
	if n := next(t, conn); n.Full || len(n.Hosts) != 1 || n.Hosts[0].ID != id(t, sim, 1) {
		t.Fatalf("news are %+v", n)
	}
}

func TestANewVMAppears(t *testing.T) {
	sim := start(t, vspheresim.Config{Hosts: 1})
	conn := connect(t, trusting(sim))
	next(t, conn)
	must(t, sim.Add(77))
	for {
		for _, h := range next(t, conn).Hosts {
			if h.Name == "desktop-077" && h.State == farm.HostOn {
				return
			}
		}
	}
}

func TestTemplatesAreNotHosts(t *testing.T) {
	sim := start(t, vspheresim.Config{Hosts: 5})
	finder := administrator(t, sim)
	vm, err := finder.VirtualMachine(t.Context(), sim.Name(5))
	must(t, err)
	must(t, vm.MarkAsTemplate(t.Context()))
	all := next(t, connect(t, trusting(sim)))
	if len(all.Hosts) != 4 {
		t.Fatalf("there are %d Hosts, want 4", len(all.Hosts))
	}
}

func TestVMsOfAMaintainedHostAreInMaintenance(t *testing.T) {
	sim := start(t, vspheresim.Config{})
	conn := connect(t, trusting(sim))
	next(t, conn)
	for _, on := range []bool{true, false} {
		must(t, sim.Maintain(sim.Name(1), on))
		news := next(t, conn).Hosts
		i := slices.IndexFunc(news, func(h farm.Host) bool { return h.ID == id(t, sim, 1) })
		if i < 0 || news[i].Maintenance != on || news[i].State != farm.HostOn {
			t.Fatalf("maintenance is to be %v, news are %+v", on, news)
		}
	}
}

func TestASuspendedVM(t *testing.T) {
	sim := start(t, vspheresim.Config{})
	finder := administrator(t, sim)
	conn := connect(t, trusting(sim))
	next(t, conn)
	vm, err := finder.VirtualMachine(t.Context(), sim.Name(1))
	must(t, err)
	task, err := vm.Suspend(t.Context())
	must(t, err)
	must(t, task.Wait(t.Context()))
	n := next(t, conn)
	if len(n.Hosts) != 1 || n.Hosts[0].State != farm.HostSuspended {
		t.Fatalf("news are %+v", n)
	}
}

func TestWhatDoesNotMatterIsNotNews(t *testing.T) {
	sim := start(t, vspheresim.Config{})
	finder := administrator(t, sim)
	conn := connect(t, trusting(sim))
	next(t, conn)
	vm, err := finder.VirtualMachine(t.Context(), sim.Name(1))
	must(t, err)
	task, err := vm.Reconfigure(t.Context(), types.VirtualMachineConfigSpec{MemoryMB: 1024})
	must(t, err)
	must(t, task.Wait(t.Context()))
	must(t, sim.PowerOff(sim.Name(2)))
	if n := next(t, conn); len(n.Hosts) != 1 || n.Hosts[0].ID != id(t, sim, 2) {
		t.Fatalf("news are %+v", n)
	}
}

func TestATerminatedSessionIsNoticedAtOnce(t *testing.T) {
	sim := start(t, vspheresim.Config{})
	conn := connect(t, trusting(sim))
	next(t, conn)
	result := make(chan error, 1)
	go func() {
		_, err := conn.Next(t.Context())
		result <- err
	}()
	for sim.Requests() == 0 { // until it waits
		time.Sleep(time.Millisecond)
	}
	must(t, sim.TerminateSessions())
	select {
	case err := <-result:
		if !errors.Is(err, provider.ErrConnectionFailed) {
			t.Fatalf("error is %v", err)
		}
	case <-time.After(2 * time.Second):
		t.Fatal("next has not noticed")
	}
	must(t, conn.Close(t.Context()))
	if sim.Sessions() != 0 {
		t.Fatalf("%d sessions are left", sim.Sessions())
	}
}

// administrator is somebody else who works on the vCenter.
func administrator(t *testing.T, sim *vspheresim.Server) *find.Finder {
	t.Helper()
	u, err := url.Parse(sim.URL())
	must(t, err)
	u.User = url.UserPassword(sim.Username(), sim.Password())
	client, err := govmomi.NewClient(t.Context(), u, true)
	must(t, err)
	t.Cleanup(client.CloseIdleConnections)
	finder := find.NewFinder(client.Client)
	dc, err := finder.DefaultDatacenter(t.Context())
	must(t, err)
	return finder.SetDatacenter(dc)
}
