package vspheresim

import (
	"fmt"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// guest is the operating system of a VM.
type guest struct {
	id, name   string
	host       string
	ipv4, ipv6 string
}

// guestOf is the n-th VM's: mostly Windows, here and there a Linux.
func guestOf(n int, host string) guest {
	g := guest{
		id:   string(types.VirtualMachineGuestOsIdentifierWindows11_64Guest),
		name: "Microsoft Windows 11 (64-bit)",
		host: host,
		ipv4: fmt.Sprintf("10.20.%d.%d", n/250, n%250+1),
		ipv6: fmt.Sprintf("fd20::%x", n),
	}
	if n%4 == 0 {
		g.id = string(types.VirtualMachineGuestOsIdentifierUbuntu64Guest)
		g.name = "Ubuntu Linux (64-bit)"
	}
	return g
}

// installed are the properties that stay when the VM is off.
func (g guest) installed() []types.PropertyChange {
	return []types.PropertyChange{
		{Name: "config.guestFullName", Val: g.name},
		{Name: "summary.config.guestFullName", Val: g.name},
		{Name: "config.annotation", Val: strings.Join([]string{g.host, g.ipv4, g.ipv6}, " ")},
	}
}

// guestTools reports the guest's name and addresses while its VM is on, as
// VMware Tools do, whoever turned it on.
type guestTools struct{}

func (*guestTools) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "GuestTools", Value: "guest-tools"}
}

func (*guestTools) PutObject(*simulator.Context, mo.Reference) {}

func (*guestTools) RemoveObject(*simulator.Context, types.ManagedObjectReference) {}

func (*guestTools) UpdateObject(ctx *simulator.Context, obj mo.Reference, changes []types.PropertyChange) {
	vm, ok := obj.(*mo.VirtualMachine)
	if !ok || vm.Config == nil {
		return
	}
	for _, c := range changes {
		if c.Name == "runtime.powerState" {
			ctx.Update(vm, running(vm, c.Val == types.VirtualMachinePowerStatePoweredOn))
		}
	}
}

func running(vm *mo.VirtualMachine, on bool) []types.PropertyChange {
	at := strings.Fields(vm.Config.Annotation)
	if !on || len(at) != 3 {
		return []types.PropertyChange{
			{Name: "guest.toolsRunningStatus", Val: string(types.VirtualMachineToolsRunningStatusGuestToolsNotRunning)},
			{Name: "guest.ipAddress", Val: ""},
			{Name: "guest.net", Val: []types.GuestNicInfo{}},
			{Name: "summary.guest.ipAddress", Val: ""},
		}
	}
	return []types.PropertyChange{
		{Name: "guest.toolsRunningStatus", Val: string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)},
		{Name: "guest.guestFullName", Val: vm.Config.GuestFullName},
		{Name: "guest.hostName", Val: at[0]},
		{Name: "guest.ipAddress", Val: at[1]},
		{Name: "guest.net", Val: []types.GuestNicInfo{{
			Network: "VM Network", Connected: true, DeviceConfigId: 4000, IpAddress: at[1:],
		}}},
		{Name: "summary.guest.ipAddress", Val: at[1]},
		{Name: "summary.guest.hostName", Val: at[0]},
	}
}
