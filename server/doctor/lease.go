package doctor

import (
	"fmt"
	"time"

	"github.com/quorate/quorate/farm"
)

// judgeLease compares the lease that is asked for with what etcd grants.
func judgeLease(asked, granted time.Duration, promised farm.Timing) Finding {
	const what = "lease"
	timing := farm.Timing{TTL: granted, Margin: max(promised.Margin, farm.MinMargin(granted)), Election: promised.Election}
	bounds := timing.Bounds()
	says := fmt.Sprintf("A lost broker's Providers are taken over within %v; within %v if etcd's leader is lost too.",
		bounds.BrokerLost, bounds.BrokerAndStorageLeader)
	if granted > asked {
		return warned(what, fmt.Sprintf("etcd grants %v, and %v were asked for: it grants whole seconds and no less than one and a half election timeouts. %s",
			granted, asked, says),
			fmt.Sprintf("Say --lease-ttl=%v, or give etcd --heartbeat-interval=50 --election-timeout=500 and the server --etcd-election=500ms.", granted))
	}
	return fine(what, fmt.Sprintf("%v. %s", granted, says))
}
