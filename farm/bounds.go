package farm

import "time"

// Timing is what takeover times follow from.
type Timing struct {
	TTL      time.Duration // of a broker's lease, as granted
	Margin   time.Duration // how long before its lease could end a broker stops acting
	Election time.Duration // etcd's election timeout
}

// Bounds are the longest times a Provider may be without an owner that can act,
// connecting not included.
type Bounds struct {
	ProcessDied            time.Duration // its server's process, under a guard
	BrokerLost             time.Duration // its machine dies, or it is cut off from storage, or its process has no guard
	BrokerAndStorageLeader time.Duration // together with etcd's leader
	BrokerOutOfContact     time.Duration // cut off from the others and not from storage: until it hands over, without a moment unowned
	PlannedMove            time.Duration
}

// What etcd and a decision take: etcd looks for expired leases every 500 ms, and
// deciding and storing is allowed as much again.
const (
	expiryCheck = 500 * time.Millisecond
	deciding    = 500 * time.Millisecond
)

// Bounds computes the bounds. A new leader of etcd restarts every lease at its
// full TTL plus an election timeout, after an election that may itself take two.
// A guard revokes the lease within milliseconds, if storage answers.
func (t Timing) Bounds() Bounds {
	lost := t.TTL + expiryCheck + deciding
	return Bounds{
		ProcessDied:            deciding,
		BrokerLost:             lost,
		BrokerAndStorageLeader: lost + t.TTL + 3*t.Election,
		BrokerOutOfContact:     ContactEvery + ContactMisses*ContactTimeout + ContactSettles + deciding,
		PlannedMove:            deciding,
	}
}

// MinMargin is the smallest margin that is safe for a TTL.
func MinMargin(ttl time.Duration) time.Duration {
	return max(200*time.Millisecond, ttl/10)
}
