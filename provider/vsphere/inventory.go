package vsphere

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/types"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
)

// properties are all that is asked for. A VM in an ESXi host that is being
// maintained cannot be turned on, so hosts are asked too.
func properties() []types.PropertySpec {
	return []types.PropertySpec{
		{Type: "VirtualMachine", PathSet: []string{
			"name", "runtime.powerState", "runtime.connectionState", "runtime.host",
			"guest.ipAddress", "guest.net", "guest.guestFullName",
			"config.guestFullName", "config.template",
		}},
		{Type: "HostSystem", PathSet: []string{"runtime.inMaintenanceMode"}},
	}
}

// machine is a VM, as far as it is known. The zero value of a field is "not
// said": some are kept from us while a VM is being made or is inaccessible.
type machine struct {
	name        string
	power       types.VirtualMachinePowerState
	connection  types.VirtualMachineConnectionState
	address     string
	nics        []types.GuestNicInfo
	runningOS   string
	installedOS string
	template    bool
	host        types.ManagedObjectReference
}

// inventory follows the property collector's updates.
type inventory struct {
	machines    map[string]*machine // by managed object id
	maintenance map[string]bool     // of ESXi hosts
	told        map[farm.HostID]farm.Host
}

func newInventory() *inventory {
	return &inventory{
		machines:    make(map[string]*machine),
		maintenance: make(map[string]bool),
		told:        make(map[farm.HostID]farm.Host),
	}
}

// apply takes in what has changed.
func (v *inventory) apply(set *types.UpdateSet) {
	for _, filter := range set.FilterSet {
		for _, update := range filter.ObjectSet {
			switch update.Obj.Type {
			case "VirtualMachine":
				v.applyMachine(update)
			case "HostSystem":
				v.applyHost(update)
			}
		}
	}
}

func (v *inventory) applyMachine(u types.ObjectUpdate) {
	id := u.Obj.Value
	if u.Kind == types.ObjectUpdateKindLeave {
		delete(v.machines, id)
		return
	}
	m := v.machines[id]
	if m == nil {
		m = new(machine)
		v.machines[id] = m
	}
	for _, c := range u.ChangeSet {
		m.set(c.Name, c.Val)
	}
}

func (v *inventory) applyHost(u types.ObjectUpdate) {
	if u.Kind == types.ObjectUpdateKindLeave {
		delete(v.maintenance, u.Obj.Value)
		return
	}
	for _, c := range u.ChangeSet {
		if c.Name == "runtime.inMaintenanceMode" {
			v.maintenance[u.Obj.Value], _ = c.Val.(bool)
		}
	}
}

// set takes in one property. A nil value means that it is no longer set.
func (m *machine) set(property string, value types.AnyType) {
	switch property {
	case "name":
		m.name, _ = value.(string)
	case "runtime.powerState":
		m.power, _ = value.(types.VirtualMachinePowerState)
	case "runtime.connectionState":
		m.connection, _ = value.(types.VirtualMachineConnectionState)
	case "runtime.host":
		m.host, _ = value.(types.ManagedObjectReference)
	case "guest.ipAddress":
		m.address, _ = value.(string)
	case "guest.net":
		nics, _ := value.(types.ArrayOfGuestNicInfo)
		m.nics = nics.GuestNicInfo
	case "guest.guestFullName":
		m.runningOS, _ = value.(string)
	case "config.guestFullName":
		m.installedOS, _ = value.(string)
	case "config.template":
		m.template, _ = value.(bool)
	}
}

// news is what has changed since the last call; with full, everything.
func (v *inventory) news(full bool) provider.Inventory {
	n := provider.Inventory{Full: full}
	now := make(map[farm.HostID]farm.Host, len(v.machines))
	for id, m := range v.machines {
		if m.template {
			continue
		}
		h := m.asHost(farm.HostID(id))
		h.Maintenance = v.maintenance[m.host.Value]
		now[h.ID] = h
		if before, known := v.told[h.ID]; full || !known || !reflect.DeepEqual(before, h) {
			n.Hosts = append(n.Hosts, h)
		}
	}
	for id := range v.told {
		if _, still := now[id]; !still && !full {
			n.Gone = append(n.Gone, id)
		}
	}
	v.told = now
	slices.SortFunc(n.Hosts, func(a, b farm.Host) int { return strings.Compare(string(a.ID), string(b.ID)) })
	slices.Sort(n.Gone)
	return n
}

func (m *machine) asHost(id farm.HostID) farm.Host {
	h := farm.Host{
		ID:        id,
		Name:      unescape(m.name),
		State:     m.state(),
		Addresses: m.addresses(),
		GuestOS:   m.runningOS,
	}
	if h.Name == "" {
		h.Name = string(id)
	}
	if h.GuestOS == "" {
		h.GuestOS = m.installedOS
	}
	return h
}

// state is unknown unless the ESXi host that runs the VM vouches for it.
func (m *machine) state() farm.HostState {
	if m.connection != types.VirtualMachineConnectionStateConnected {
		return farm.HostUnknown
	}
	switch m.power {
	case types.VirtualMachinePowerStatePoweredOn:
		return farm.HostOn
	case types.VirtualMachinePowerStatePoweredOff:
		return farm.HostOff
	case types.VirtualMachinePowerStateSuspended:
		return farm.HostSuspended
	default:
		return farm.HostUnknown
	}
}

// addresses begin with the one that VMware Tools call the guest's own. Those
// that only neighbours can reach are left out.
func (m *machine) addresses() []string {
	var all []string
	add := func(s string) {
		ip, err := netip.ParseAddr(s)
		if err != nil || ip.IsLinkLocalUnicast() || ip.IsLoopback() || slices.Contains(all, ip.String()) {
			return
		}
		all = append(all, ip.String())
	}
	add(m.address)
	for _, nic := range m.nics {
		for _, ip := range nic.IpAddress {
			add(ip)
		}
	}
	return all
}

// unescape undoes what vSphere does to the three characters that are special in
// inventory paths.
func unescape(name string) string {
	return strings.NewReplacer("%2f", "/", "%2F", "/", "%5c", `\`, "%5C", `\`, "%25", "%").Replace(name)
}
