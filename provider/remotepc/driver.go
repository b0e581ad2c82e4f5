// Package remotepc looks after a list of PCs that no hypervisor manages. A PC is
// on if it accepts TCP connections where its desktop is served.
package remotepc

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/quorate/quorate/provider"
)

// TypeID is the type of Providers that Driver connects to.
const TypeID = "remotepc"

// Driver watches a list of PCs. There is nothing to log in to, so a good target
// always connects.
type Driver struct{}

var _ provider.Driver = Driver{}

// Type describes a PC pool.
func (Driver) Type() provider.Type {
	return provider.Type{
		ID:          TypeID,
		Name:        "Remote PCs",
		Description: "A list of physical or virtual PCs, each checked by connecting to its remote desktop port.",
		Options:     json.RawMessage(schema),
	}
}

// Check implements provider.Driver.
func (Driver) Check(t provider.Target) provider.Faults {
	_, faults := poolOf(t)
	return faults
}

// Connect implements provider.Driver.
func (Driver) Connect(ctx context.Context, t provider.Target) (provider.Conn, error) {
	p, faults := poolOf(t)
	if len(faults) > 0 {
		return nil, faults.Err()
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("connect to a PC pool: %w", err)
	}
	return newConn(p), nil
}
