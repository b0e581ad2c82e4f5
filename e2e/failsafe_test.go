package e2e

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/quorate/quorate/provider/vsphere/vspheresim"
)

// metric is what a server's metric says, 0 if it is not there.
func (c *cluster) metric(server int, name string) float64 {
	c.t.Helper()
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(body(c.t, c.bases[server]+"/metrics"))
	if m == nil {
		return 0
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

func (c *cluster) sum(name string) (sum float64) {
	for server := range c.bases {
		sum += c.metric(server, name)
	}
	return sum
}

// renewed awaits that every lease has been renewed twice: since then everybody has
// seen what was decided before, and may promise to leave it so.
func (c *cluster) renewed() {
	c.t.Helper()
	const renewals = `quorate_lease_renewals_total\{result="ok"\}`
	for server := range c.bases {
		before := c.metric(server, renewals)
		eventually(c.t, patience, "leases are renewed", func() bool { return c.metric(server, renewals) >= before+2 })
	}
}

// etcd is killed for many leases: nobody lets go of anything, and when it is back
// everything is as before.
func TestAllServeOnWhileEtcdIsAway(t *testing.T) {
	c := newCluster(t)
	sim, err := vspheresim.Start(vspheresim.Config{Hosts: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	ids := []string{"vc-1", "vc-2", "vc-3"}
	for _, id := range ids {
		c.provider(id, sim)
	}
	before := c.connected()
	c.renewed()
	connects := c.sum(`quorate_provider_connects_total\{result="ok"\}`)

	c.etcd.kill()
	eventually(t, patience, "all serve without storage", func() bool { return c.sum("quorate_without_storage") == 3 })
	for end := time.Now().Add(6 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { // six leases
		if agents := c.sum("quorate_agents"); agents != 3 {
			t.Fatalf("%v agents are running", agents)
		}
	}
	c.etcd.start()
	after := c.connected()
	eventually(t, patience, "nobody does without storage", func() bool { return c.sum("quorate_without_storage") == 0 })
	for _, id := range ids {
		if was, now := before.Providers[id].Status, after.Providers[id].Status; now.Epoch != was.Epoch || now.Owner != was.Owner {
			t.Errorf("%s was at %s, epoch %d, and is at %s, epoch %d", id, was.Owner, was.Epoch, now.Owner, now.Epoch)
		}
	}
	if now := c.sum(`quorate_provider_connects_total\{result="ok"\}`); now != connects {
		t.Errorf("%v connections were made anew", now-connects)
	}
}

// One of the servers dies while etcd is away: it promises nothing any more, so all
// let go.
func TestWithoutEtcdAllMustBeThere(t *testing.T) {
	c := newCluster(t)
	sim, err := vspheresim.Start(vspheresim.Config{Hosts: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	c.provider("vc-1", sim)
	owner := c.connected().Providers["vc-1"].Status.Owner
	c.renewed()
	c.etcd.kill()
	eventually(t, patience, "all serve without storage", func() bool { return c.sum("quorate_without_storage") == 3 })
	at := map[string]int{"cb-1": 0, "cb-2": 1, "cb-3": 2}[owner]
	c.servers[(at+1)%3].kill(9)
	eventually(t, patience, "its owner lets go", func() bool {
		return c.metric(at, "quorate_without_storage") == 0 && c.metric(at, "quorate_agents") == 0
	})
	c.etcd.start()
	c.await("taken up again", allConnected)
}
