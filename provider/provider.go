// Package provider is the contract with a hypervisor, a cloud or a PC pool.
// Each kind is a Driver in a sibling folder.
package provider

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/quorate/quorate/farm"
)

// Conditions under which no connection can be made or kept. Every error of a
// Driver or Conn, except that of an ended context, wraps one of them.
var (
	ErrConnectionFailed     = errors.New("connection failed")
	ErrInvalidCredentials   = errors.New("invalid credentials")
	ErrCertificateUntrusted = errors.New("certificate is not trusted")
	ErrUnsupportedVersion   = errors.New("version is not supported")
	ErrTimeout              = errors.New("no answer in time")
	// ErrInvalidOptions: the Provider's options or address do not fit its type.
	ErrInvalidOptions = errors.New("invalid settings")
	// ErrSecretKeyMissing: the Provider's secret cannot be opened. Said by who reads
	// it, never by a Driver.
	ErrSecretKeyMissing = errors.New("the secret key is missing")
)

// Target is where and how to connect.
type Target struct {
	Address  string
	Username string
	Secret   string
	Options  json.RawMessage // as the Type's schema says; may be empty
}

// Type describes a kind of Provider to people and programs.
type Type struct {
	ID          string          // "vsphere"
	Name        string          // "VMware vSphere"
	Description string          // a sentence
	AddressHint string          // an example address; empty if it has none
	Options     json.RawMessage // JSON schema of Target.Options
}

// Driver makes connections to one kind of Provider. It holds no state and is
// safe for concurrent use. It and its Conns ask Allowed before every request.
type Driver interface {
	Type() Type

	// Check says what is wrong with a target without any I/O; none if nothing
	// is. Unknown options are wrong. Any Hosts that follow from a good target
	// have ids and names that can be stored and asked for by URL.
	Check(Target) Faults

	// Connect logs in. It returns within ctx, and nothing it started is
	// running if it fails. ctx bounds only the call, not the Conn. A target that
	// Check finds faults with is refused with their Err.
	Connect(ctx context.Context, t Target) (Conn, error)
}

// Reacher is a Driver of Providers that have an address of their own. Reach looks
// whether somebody listens there, within ctx, and asks nothing: it needs no
// credentials, leaves no trace in the Provider, and is no call of an agent. Only
// ErrConnectionFailed and ErrTimeout say that nobody is reached.
type Reacher interface {
	Reach(ctx context.Context, t Target) error
}

// Conn is a connection to one Provider, used by one goroutine at a time, save
// Close, which may be called at any time and ends a running Next.
type Conn interface {
	// Next blocks until something of the inventory is new: the first call
	// returns all of it (Full), later calls what has changed since. It keeps the
	// session alive meanwhile. An error means that the connection is of no
	// further use.
	Next(ctx context.Context) (Inventory, error)

	// Close logs out, within ctx, and frees everything. Repeating it does nothing.
	Close(ctx context.Context) error
}

// Inventory is news of a Provider's Hosts. Epoch and AsOf of the Hosts are the
// caller's to set.
type Inventory struct {
	Full  bool        // Hosts are all there are
	Hosts []farm.Host // new or changed
	Gone  []farm.HostID
}

// Reason is the code of an error of this package; ReasonConnectionFailed for
// any other.
func Reason(err error) farm.Reason {
	switch {
	case errors.Is(err, ErrInvalidCredentials):
		return farm.ReasonInvalidCredentials
	case errors.Is(err, ErrCertificateUntrusted):
		return farm.ReasonCertificateUntrusted
	case errors.Is(err, ErrUnsupportedVersion):
		return farm.ReasonUnsupportedVersion
	case errors.Is(err, ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return farm.ReasonTimeout
	case errors.Is(err, ErrSecretKeyMissing):
		return farm.ReasonSecretKeyMissing
	default:
		return farm.ReasonConnectionFailed
	}
}
