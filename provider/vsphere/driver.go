// Package vsphere connects to VMware vCenter and ESXi through the vSphere Web
// Services API. It learns of its VMs from the property collector, which says
// what has changed the moment it has: nothing is polled.
package vsphere

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/quorate/quorate/provider"
)

// TypeID is the type of Providers that Driver connects to.
const TypeID = "vsphere"

// Driver connects to vSphere. Connections are direct: proxies in the
// environment are not used.
type Driver struct{}

var (
	_ provider.Driver  = Driver{}
	_ provider.Reacher = Driver{}
)

// Type describes vSphere.
func (Driver) Type() provider.Type {
	return provider.Type{
		ID:          TypeID,
		Name:        "VMware vSphere",
		Description: "The virtual machines of a VMware vCenter Server or of a single ESXi host, version " + oldestVersion + " or later.",
		AddressHint: "https://vcenter.example.com/sdk",
		Options:     json.RawMessage(schema),
	}
}

// Check implements provider.Driver.
func (Driver) Check(t provider.Target) provider.Faults {
	_, faults := endpointOf(t)
	return faults
}

// Reach implements provider.Reacher.
func (Driver) Reach(ctx context.Context, t provider.Target) error {
	u, wrong := parseAddress(t.Address)
	if wrong != "" {
		return fmt.Errorf("%w: address %s", provider.ErrInvalidOptions, wrong)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443")))
	if err != nil {
		return translate(ctx, err)
	}
	return conn.Close()
}

// Connect implements provider.Driver. It is two calls: what are you, and login.
// All else waits for the first Next, so that a Conn exists, and with it the
// duty to log out, as soon as there is a session.
func (Driver) Connect(ctx context.Context, t provider.Target) (provider.Conn, error) {
	e, faults := endpointOf(t)
	if len(faults) > 0 {
		return nil, faults.Err()
	}
	client := newClient(e)
	content, err := login(ctx, client, t)
	if err != nil {
		client.CloseIdleConnections()
		return nil, translate(ctx, err)
	}
	return newConn(client, content), nil
}

func login(ctx context.Context, c *client, t provider.Target) (types.ServiceContent, error) {
	content, err := methods.GetServiceContent(ctx, c)
	if err != nil {
		return content, fmt.Errorf("ask for the version: %w", err)
	}
	if err := supported(content); err != nil {
		return content, err
	}
	_, err = methods.Login(ctx, c, &types.Login{
		This:     *content.SessionManager,
		UserName: t.Username,
		Password: t.Secret,
	})
	if err != nil {
		return content, fmt.Errorf("log in: %w", err)
	}
	return content, nil
}
