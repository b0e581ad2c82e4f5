package doctor

import (
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// judgeLatency relates what a request takes to the lease that requests must keep
// alive: a renewal that takes a quarter of it is given up and asked of another member.
func judgeLatency(what string, took time.Duration, err error, ttl time.Duration) Finding {
	took = took.Round(100 * time.Microsecond)
	switch {
	case errors.Is(err, rpctypes.ErrNoSpace):
		return failed(what, "etcd takes no writes: it is full.", "See the alarm NOSPACE.")
	case err != nil:
		return failed(what, "etcd does not answer: "+sentence(err), "Bring most of etcd's members back.")
	case took > ttl/4:
		return failed(what, fmt.Sprintf("It took %v, more than a quarter of the lease of %v: renewals will come too late.", took, ttl),
			"Find what slows etcd down (docs/sizing.md), or run with a longer --lease-ttl.")
	case took > ttl/20:
		return warned(what, fmt.Sprintf("It took %v, much for a lease of %v.", took, ttl),
			"etcd wants a disk of its own and less than 10 ms between its members (docs/sizing.md); or run with a longer --lease-ttl.")
	}
	return fine(what, took.String())
}
