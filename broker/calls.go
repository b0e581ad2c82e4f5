package broker

import "github.com/quorate/quorate/farm"

// Call is a request to a Provider that an agent was allowed to make.
type Call struct {
	Life     farm.Life
	Provider farm.ProviderID
	Epoch    farm.Epoch
	At       int64 // as Calls.Now told it
}

// Calls is told of every Call before it begins, so that it can be shown that no
// Provider ever has two owners. It is safe for concurrent use.
type Calls interface {
	Now() int64
	Allowed(Call)
}
