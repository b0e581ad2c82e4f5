// Package providertest holds what every provider.Driver must pass. A driver's
// own test gives it a real peer and calls Run.
package providertest

import (
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
)

// Fixture is a Driver and the peers that it is tried against.
type Fixture struct {
	Driver provider.Driver

	// Start gives a Provider of its own to one test, with one Host or more, and
	// stops it by t.Cleanup.
	Start func(t *testing.T) Peer

	// Within bounds how long a change in the Provider may take to come out of
	// Next.
	Within time.Duration
}

// Peer is one running Provider. What a type does not have is left out, and the
// test of it is skipped.
type Peer struct {
	Target provider.Target

	// Change makes one Host's state another and says which Host has which now.
	Change func() (farm.HostID, farm.HostState)
	// Remove takes one Host away and says which.
	Remove func() farm.HostID
	// Sessions is how many logins the Provider has now.
	Sessions func() int
	// Stop ends the Provider without a goodbye.
	Stop func()
	// At is the target if it were at another host:port.
	At func(hostport string) provider.Target
	// WrongSecret and Untrusted are targets with just that fault.
	WrongSecret, Untrusted *provider.Target
}

// Run tries all of the contract.
func Run(t *testing.T, f Fixture) {
	t.Run("the type describes itself", func(t *testing.T) { testType(t, f) })
	t.Run("check", func(t *testing.T) { testCheck(t, f) })
	t.Run("connect", func(t *testing.T) { testConnect(t, f) })
	t.Run("next", func(t *testing.T) { testNext(t, f) })
	t.Run("close", func(t *testing.T) { testClose(t, f) })
}
