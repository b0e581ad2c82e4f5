package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/handlers"
	"github.com/quorate/quorate/provider"
	"github.com/quorate/quorate/provider/remotepc"
	"github.com/quorate/quorate/provider/vsphere"
)

// drivers are the kinds of Provider there are: this is the one list.
func drivers() []provider.Driver {
	return []provider.Driver{
		vsphere.Driver{},
		remotepc.Driver{},
	}
}

// kinds tells the API of the drivers, which it does not know itself.
type kinds []provider.Driver

var _ handlers.Kinds = kinds(nil)

// Types implements handlers.Kinds.
func (k kinds) Types() []handlers.ProviderType {
	types := make([]handlers.ProviderType, len(k))
	for i, d := range k {
		t := d.Type()
		types[i] = handlers.ProviderType{
			ID: t.ID, Name: t.Name, Description: t.Description, AddressHint: t.AddressHint, Options: t.Options,
		}
	}
	return types
}

func (k kinds) driver(p farm.Provider) (provider.Driver, error) {
	known := make([]string, len(k))
	for i, d := range k {
		known[i] = d.Type().ID
		if known[i] == p.Type {
			return d, nil
		}
	}
	return nil, fmt.Errorf("must be one of %s", strings.Join(known, ", "))
}

// Check implements handlers.Kinds.
func (k kinds) Check(p farm.Provider, secret string) []handlers.Fault {
	d, err := k.driver(p)
	if err != nil {
		return []handlers.Fault{{Pointer: "/type", Detail: err.Error()}}
	}
	var faults []handlers.Fault
	for _, f := range d.Check(target(p, secret)) {
		faults = append(faults, handlers.Fault(f))
	}
	return faults
}

// Test implements handlers.Kinds.
func (k kinds) Test(ctx context.Context, p farm.Provider, secret string) handlers.TestResult {
	begin := time.Now()
	hosts, err := k.connect(ctx, p, secret)
	result := handlers.TestResult{OK: err == nil, Hosts: hosts, Took: time.Since(begin)}
	if err != nil {
		result.Reason, result.Message, result.Err = provider.Reason(err), provider.Sentence(err), err
	}
	return result
}

// connect connects, counts the Hosts, and disconnects.
func (k kinds) connect(ctx context.Context, p farm.Provider, secret string) (hosts int, err error) {
	d, err := k.driver(p)
	if err != nil {
		return 0, provider.WithSentence(err, "This server's version knows no Provider type %q.", p.Type)
	}
	conn, err := d.Connect(ctx, target(p, secret))
	if err != nil {
		return 0, err
	}
	defer func() {
		// The test may have used up its time; logging out has its own.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = conn.Close(ctx) // what was to be known is known
	}()
	inventory, err := conn.Next(ctx)
	if err != nil {
		return 0, err
	}
	if !inventory.Full {
		return 0, errors.New("the first inventory is not complete")
	}
	return len(inventory.Hosts), nil
}

func target(p farm.Provider, secret string) provider.Target {
	return provider.Target{Address: p.Address, Username: p.Username, Secret: secret, Options: p.Options}
}
