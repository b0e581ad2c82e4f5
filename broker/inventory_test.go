package broker

import (
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
)

// The inventory of a large Provider takes many leases to store; none of what is
// stored is stored again.
func TestALargeInventoryIsStoredHoweverLongThatTakes(t *testing.T) {
	inLab(t, func(l *lab) {
		l.pool.hosts, l.delay = 10_000, testTTL/4
		l.startAll(1, 0)
		l.provider("vc-1", farm.Manual("cb-1"))
		p := l.connected("vc-1")
		if n := len(p.Hosts["vc-1"]); n != 10_000 {
			t.Errorf("%d Hosts are stored", n)
		}
		if n := l.pool.count(); n != 1 {
			t.Errorf("%d connections were made", n)
		}
	})
}

func TestAHostIsStoredWithinBounds(t *testing.T) {
	long := strings.Repeat("ä", longestText)
	var addresses []string
	for range 100 {
		addresses = append(addresses, "10.0.0.1", long)
	}
	h := bounded(farm.Host{ID: "vm-1", Name: long, GuestOS: long, Addresses: addresses})
	if len(h.Name) > longestText+len("…") || !strings.HasSuffix(h.Name, "ä…") || h.GuestOS != h.Name {
		t.Errorf("name %q, guest %q", h.Name, h.GuestOS)
	}
	if len(h.Addresses) != mostAddresses || h.Addresses[1] != "10.0.0.1" {
		t.Errorf("addresses %q", h.Addresses)
	}
	if len(addresses) != 200 || addresses[1] != long {
		t.Error("what the driver gave was changed")
	}
	same := farm.Host{ID: "vm-2", Name: "desktop", Addresses: []string{"fe80::1"}, AsOf: time.Unix(1, 0)}
	if got := bounded(same); got.Name != same.Name || got.Addresses[0] != "fe80::1" || got.AsOf != same.AsOf {
		t.Errorf("%+v", got)
	}
}
