package store_test

import (
	"fmt"
	"testing"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

func TestAnUpdateIsDividedIntoPartsThatOneReportTakes(t *testing.T) {
	for _, c := range []struct{ hosts, gone, parts int }{
		{0, 0, 1}, {1, 1, 1},
		{store.HostsAtOnce, 0, 1}, {store.HostsAtOnce, 1, 2}, {0, store.HostsAtOnce + 1, 2},
		{store.HostsAtOnce - 1, 2, 2}, {3 * store.HostsAtOnce, 2 * store.HostsAtOnce, 5},
	} {
		u := store.Update{Report: &farm.Report{State: farm.Connected}, Events: []farm.Event{{Message: "m"}}}
		for i := range c.hosts {
			u.Hosts = append(u.Hosts, farm.Host{ID: farm.HostID(fmt.Sprint("new-", i))})
		}
		for i := range c.gone {
			u.Gone = append(u.Gone, farm.HostID(fmt.Sprint("gone-", i)))
		}
		parts := u.Parts()
		seen := map[farm.HostID]bool{}
		for i, p := range parts {
			if n := len(p.Hosts) + len(p.Gone); n > store.HostsAtOnce {
				t.Errorf("%+v: part %d has %d Hosts", c, i, n)
			}
			if last := i == len(parts)-1; last != (p.Report != nil) || last != (len(p.Events) == 1) {
				t.Errorf("%+v: part %d has report %v and %d events", c, i, p.Report, len(p.Events))
			}
			for _, h := range p.Hosts {
				seen[h.ID] = true
			}
			for _, id := range p.Gone {
				seen[id] = true
			}
		}
		if len(parts) != c.parts || len(seen) != c.hosts+c.gone {
			t.Errorf("%+v: %d parts with %d Hosts", c, len(parts), len(seen))
		}
	}
}
