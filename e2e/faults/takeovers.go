package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/server"
)

// bound is what is published for a kind of fault that has a Provider taken over;
// 0: it has none.
func bound(kind string, b farm.Bounds) time.Duration {
	switch kind {
	case "kill":
		return b.ProcessDied
	case "host", "pause", "pause-host", "cut-etcd", "cut-all":
		return b.BrokerLost
	case "leader-host":
		return b.BrokerAndStorageLeader
	case "cut-peers":
		return b.BrokerOutOfContact
	}
	return 0
}

// takeovers are the times from a fault to the first call of a next owner, of all
// Providers that a broker owned to whom it was done. Rounds of several faults say
// nothing about it.
func takeovers(all []done, calls []server.Call) map[string][]time.Duration {
	found := map[string][]time.Duration{}
	for _, d := range all {
		if !d.alone || len(d.fault.brokers) != 1 {
			continue
		}
		owned := map[farm.ProviderID]server.Call{}
		for _, c := range calls {
			was, known := owned[c.Provider]
			switch {
			case c.At > d.end+int64(d.Connected):
			case c.At <= d.begin:
				owned[c.Provider] = c
			case known && c.Epoch > was.Epoch:
				delete(owned, c.Provider)
				if string(was.Broker) == d.fault.brokers[0] {
					found[d.Kind] = append(found[d.Kind], time.Duration(c.At-d.begin))
				}
			}
		}
	}
	return found
}

// printTimes shows times by kind beside their bounds, which do not include
// connecting.
func printTimes(out io.Writer, what string, found map[string][]time.Duration, bound func(kind string) time.Duration) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintf(w, "\n%s\tn\tp50\tp99\tworst\tbound, connecting not included\n", what)
	for _, k := range kinds() {
		times, bound := slices.Sorted(slices.Values(found[k.name])), bound(k.name)
		if len(times) > 0 && bound > 0 {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", k.name, len(times), seconds(times[len(times)/2]), seconds(times[len(times)*99/100]), seconds(times[len(times)-1]), seconds(bound))
		}
	}
	_ = w.Flush()
}

// abandoned is within what time everything is abandoned.
func abandoned(kind string, l *lab) time.Duration {
	if kind == "apart" {
		return l.bounds.BrokerOutOfContact
	}
	return l.ttl
}
