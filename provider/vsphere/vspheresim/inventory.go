package vspheresim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// cluster is where the VMs live.
type cluster struct {
	folder types.ManagedObjectReference
	pool   types.ManagedObjectReference
}

// building is held while an inventory is made: the simulator then appends to a
// variable that all of its instances share (EvalLicense).
var building sync.Mutex

// build makes a datacenter with one cluster of two hosts, and the VMs.
func (s *Server) build() error {
	building.Lock()
	defer building.Unlock()
	s.model = simulator.VPX()
	s.model.Autostart = false
	s.model.Host, s.model.ClusterHost, s.model.Machine, s.model.Portgroup = 0, 2, 0, 0
	if err := s.model.Create(); err != nil {
		return fmt.Errorf("make the simulator's inventory: %w", err)
	}
	s.service = s.model.Service
	registry := s.service.Context.Map
	s.cluster = cluster{
		folder: registry.Any("Datacenter").(*simulator.Datacenter).VmFolder,
		pool:   *registry.Any("ClusterComputeResource").(*simulator.ClusterComputeResource).ResourcePool,
	}
	registry.AddHandler(&guestTools{})
	for i := range s.config.Hosts {
		if err := s.add(i+1, (i+1)%5 != 0); err != nil {
			return err
		}
	}
	return nil
}

// Name is that of the n-th VM, counted from 1.
func (s *Server) Name(n int) string { return fmt.Sprintf("%s%03d", s.config.Prefix, n) }

// ID is the managed object id of the VM, such as vm-42.
func (s *Server) ID(name string) (string, error) {
	vm, err := s.vm(s.context(), name)
	if err != nil {
		return "", err
	}
	return vm.Self.Value, nil
}

// Add makes one more VM, the n-th, and turns it on.
func (s *Server) Add(n int) error { return s.add(n, true) }

func (s *Server) add(n int, on bool) error {
	ctx := s.context()
	guest := guestOf(n, s.Name(n))
	folder := ctx.Map.Get(s.cluster.folder).(*simulator.Folder)
	task := folder.CreateVMTask(ctx, &types.CreateVM_Task{
		This: s.cluster.folder,
		Pool: s.cluster.pool,
		Config: types.VirtualMachineConfigSpec{
			Name:     s.Name(n),
			GuestId:  guest.id,
			NumCPUs:  4,
			MemoryMB: 8192,
			Files:    &types.VirtualMachineFileInfo{VmPathName: "[LocalDS_0]"},
		},
	}).(*methods.CreateVM_TaskBody).Res.Returnval
	result, err := s.result(ctx, task)
	if err != nil {
		return fmt.Errorf("make VM %s: %w", s.Name(n), err)
	}
	vm := ctx.Map.Get(result.(types.ManagedObjectReference)).(*simulator.VirtualMachine)
	ctx.WithLock(vm, func() { ctx.Update(vm, guest.installed()) })
	if !on {
		return nil
	}
	return s.PowerOn(s.Name(n))
}

// Remove turns the VM off and destroys it.
func (s *Server) Remove(name string) error {
	if err := s.PowerOff(name); err != nil {
		return err
	}
	return s.run("destroy", name, func(ctx *simulator.Context, vm *simulator.VirtualMachine) soap.HasFault {
		return vm.DestroyTask(ctx, &types.Destroy_Task{This: vm.Self})
	})
}

// PowerOn turns the VM on; it stays on if it is.
func (s *Server) PowerOn(name string) error {
	return s.run("turn on", name, func(ctx *simulator.Context, vm *simulator.VirtualMachine) soap.HasFault {
		return vm.PowerOnVMTask(ctx, &types.PowerOnVM_Task{This: vm.Self})
	})
}

// PowerOff turns the VM off; it stays off if it is.
func (s *Server) PowerOff(name string) error {
	return s.run("turn off", name, func(ctx *simulator.Context, vm *simulator.VirtualMachine) soap.HasFault {
		return vm.PowerOffVMTask(ctx, &types.PowerOffVM_Task{This: vm.Self})
	})
}

// Maintain puts the ESXi host that the VM is on into maintenance, or takes it
// out. The VMs on it stay as they are, but none can be turned on.
func (s *Server) Maintain(name string, on bool) error {
	ctx := s.context()
	vm, err := s.vm(ctx, name)
	if err != nil {
		return fmt.Errorf("maintain: %w", err)
	}
	var host types.ManagedObjectReference
	ctx.WithLock(vm, func() { host = *vm.Runtime.Host })
	ctx.WithLock(host, func() {
		ctx.Update(ctx.Map.Get(host), []types.PropertyChange{{Name: "runtime.inMaintenanceMode", Val: on}})
	})
	return nil
}

// run carries out a task of the VM. That the VM is in the wanted state already
// is no error.
func (s *Server) run(what, name string, start func(*simulator.Context, *simulator.VirtualMachine) soap.HasFault) error {
	ctx := s.context()
	vm, err := s.vm(ctx, name)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	var body soap.HasFault
	ctx.WithLock(vm, func() { body = start(ctx, vm) })
	if f := body.Fault(); f != nil {
		return fmt.Errorf("%s VM %s: %w", what, name, soap.WrapSoapFault(f))
	}
	_, err = s.result(ctx, taskOf(body))
	var fault interface{ Fault() types.BaseMethodFault }
	if errors.As(err, &fault) {
		if _, already := fault.Fault().(*types.InvalidPowerState); already {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("%s VM %s: %w", what, name, err)
	}
	return nil
}

func taskOf(body soap.HasFault) types.ManagedObjectReference {
	switch b := body.(type) {
	case *methods.PowerOnVM_TaskBody:
		return b.Res.Returnval
	case *methods.PowerOffVM_TaskBody:
		return b.Res.Returnval
	case *methods.Destroy_TaskBody:
		return b.Res.Returnval
	}
	return types.ManagedObjectReference{}
}

// result waits for a task. The simulator's own way of waiting looks every 10 ms,
// which is most of the time that a pool of VMs would take to make.
func (s *Server) result(ctx *simulator.Context, ref types.ManagedObjectReference) (types.AnyType, error) {
	task := ctx.Map.Get(ref).(*simulator.Task)
	reader := s.context()
	for {
		var info types.TaskInfo
		reader.WithLock(task, func() { info = task.Info })
		if info.State == types.TaskInfoStateSuccess {
			return info.Result, nil
		}
		if info.State == types.TaskInfoStateError {
			return nil, soap.WrapVimFault(info.Error.Fault)
		}
		time.Sleep(200 * time.Microsecond)
	}
}

func (s *Server) vm(ctx *simulator.Context, name string) (*simulator.VirtualMachine, error) {
	var refs []types.ManagedObjectReference
	for _, vm := range ctx.Map.All("VirtualMachine") {
		refs = append(refs, vm.Reference())
	}
	vm, ok := ctx.Map.FindByName(name, refs).(*simulator.VirtualMachine)
	if !ok {
		return nil, fmt.Errorf("there is no VM %s", name)
	}
	return vm, nil
}

// context is a new holder of the simulator's locks.
func (s *Server) context() *simulator.Context {
	c := *s.service.Context
	c.Context = context.Background()
	return &c
}

func root(service *simulator.Service) *mo.ServiceInstance {
	return &service.Context.Map.Get(vim25.ServiceInstance).(*simulator.ServiceInstance).ServiceInstance
}
