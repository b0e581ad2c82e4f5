package vsphere

import (
	"reflect"
	"testing"

	"github.com/vmware/govmomi/vim25/types"

	"github.com/quorate/quorate/farm"
)

func TestStateOfAMachine(t *testing.T) {
	cases := []struct {
		name       string
		power      types.VirtualMachinePowerState
		connection types.VirtualMachineConnectionState
		want       farm.HostState
	}{
		{"on", "poweredOn", "connected", farm.HostOn},
		{"off", "poweredOff", "connected", farm.HostOff},
		{"suspended", "suspended", "connected", farm.HostSuspended},
		{"its ESXi host is away", "poweredOn", "disconnected", farm.HostUnknown},
		{"its files are away", "poweredOff", "inaccessible", farm.HostUnknown},
		{"orphaned", "poweredOn", "orphaned", farm.HostUnknown},
		{"invalid", "poweredOff", "invalid", farm.HostUnknown},
		{"nothing is known", "", "", farm.HostUnknown},
		{"a power state of the future", "hibernating", "connected", farm.HostUnknown},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := machine{power: c.power, connection: c.connection}
			if got := m.state(); got != c.want {
				t.Fatalf("state is %s, want %s", got, c.want)
			}
		})
	}
}

func TestAddressesOfAMachine(t *testing.T) {
	m := machine{
		address: "10.0.0.5",
		nics: []types.GuestNicInfo{
			{IpAddress: []string{"10.0.0.4", "10.0.0.5", "fe80::1", "2001:DB8::5"}},
			{IpAddress: []string{"169.254.3.4", "127.0.0.1", "nonsense", "10.0.0.4"}},
		},
	}
	want := []string{"10.0.0.5", "10.0.0.4", "2001:db8::5"}
	if got := m.addresses(); !reflect.DeepEqual(got, want) {
		t.Fatalf("addresses are %v, want %v", got, want)
	}
}

func TestNamesAreUnescaped(t *testing.T) {
	for in, want := range map[string]string{
		"desk": "desk", "a%2fb": "a/b", "a%5Cb": `a\b`, "100%25": "100%", "%252f": "%2f",
	} {
		if got := unescape(in); got != want {
			t.Errorf("%q is unescaped to %q, want %q", in, got, want)
		}
	}
}

// A step is an update and the news that come of it.
func TestInventoryTellsWhatChanged(t *testing.T) {
	v := newInventory()
	desk := farm.Host{ID: "vm-1", Name: "desk", State: farm.HostOn, GuestOS: "Windows"}
	renamed, maintained := desk, desk
	renamed.Name = "bench"
	maintained.Name, maintained.Maintenance = "bench", true

	steps := []struct {
		name   string
		update types.ObjectUpdate
		hosts  []farm.Host
		gone   []farm.HostID
	}{
		{"a VM appears", vm("enter", "name", "desk", "runtime.powerState", types.VirtualMachinePowerStatePoweredOn,
			"runtime.connectionState", types.VirtualMachineConnectionStateConnected,
			"runtime.host", types.ManagedObjectReference{Type: "HostSystem", Value: "host-1"},
			"config.guestFullName", "Windows"), []farm.Host{desk}, nil},
		{"nothing that matters changes", vm("modify", "config.template", false), nil, nil},
		{"the same again", vm("enter", "name", "desk"), nil, nil},
		{"it is renamed", vm("modify", "name", "bench"), []farm.Host{renamed}, nil},
		{"its ESXi host is maintained", host("modify", true), []farm.Host{maintained}, nil},
		{"its ESXi host is removed", host("leave", nil), []farm.Host{renamed}, nil},
		{"it becomes a template", vm("modify", "config.template", true), nil, []farm.HostID{"vm-1"}},
		{"it becomes a VM again", vm("modify", "config.template", nil), []farm.Host{renamed}, nil},
		{"it is destroyed", vm("leave"), nil, []farm.HostID{"vm-1"}},
		{"it is destroyed again", vm("leave"), nil, nil},
	}
	for _, s := range steps {
		v.apply(&types.UpdateSet{FilterSet: []types.PropertyFilterUpdate{{ObjectSet: []types.ObjectUpdate{s.update}}}})
		n := v.news(false)
		if !reflect.DeepEqual(n.Hosts, s.hosts) || !reflect.DeepEqual(n.Gone, s.gone) {
			t.Fatalf("%s: news are %+v, want %+v and gone %v", s.name, n, s.hosts, s.gone)
		}
	}
}

func vm(kind types.ObjectUpdateKind, changes ...any) types.ObjectUpdate {
	u := types.ObjectUpdate{Kind: kind, Obj: types.ManagedObjectReference{Type: "VirtualMachine", Value: "vm-1"}}
	for i := 0; i < len(changes); i += 2 {
		u.ChangeSet = append(u.ChangeSet, types.PropertyChange{Name: changes[i].(string), Val: changes[i+1]})
	}
	return u
}

func host(kind types.ObjectUpdateKind, maintained any) types.ObjectUpdate {
	return types.ObjectUpdate{
		Kind:      kind,
		Obj:       types.ManagedObjectReference{Type: "HostSystem", Value: "host-1"},
		ChangeSet: []types.PropertyChange{{Name: "runtime.inMaintenanceMode", Val: maintained}},
	}
}
