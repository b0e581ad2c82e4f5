package broker

import (
	"slices"
	"strings"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
	"github.com/quorate/quorate/store"
)

// A Provider's API is foreign: nothing it says of a Host may be too large to be
// stored. These bounds are far above what people name and number things.
const (
	longestHostID  = 256
	longestText    = 256
	mostAddresses  = 32
	longestAddress = 64
)

// diff is what of an inventory is not stored yet; it counts as stored from now on.
func (a *agent) diff(inv provider.Inventory) store.Update {
	var u store.Update
	now := time.Now()
	seen := map[farm.HostID]bool{}
	for _, h := range inv.Hosts {
		if len(h.ID) > longestHostID {
			a.Log.Warn("a Host is left out: its ID is too long", "provider", a.id, "host", h.ID[:longestHostID], "bytes", len(h.ID))
			continue
		}
		seen[h.ID] = true
		h = bounded(h)
		if old, ok := a.hosts[h.ID]; ok && same(old, h) {
			continue
		}
		h.AsOf, h.Epoch = now, a.epoch
		a.hosts[h.ID] = h
		u.Hosts = append(u.Hosts, h)
	}
	gone := slices.Clone(inv.Gone)
	if inv.Full {
		for id := range a.hosts {
			if !seen[id] {
				gone = append(gone, id)
			}
		}
	}
	for _, id := range gone {
		if _, ok := a.hosts[id]; ok {
			delete(a.hosts, id)
			u.Gone = append(u.Gone, id)
		}
	}
	return u
}

// bounded is h with what is too long cut off.
func bounded(h farm.Host) farm.Host {
	h.Name, h.GuestOS = cut(h.Name), cut(h.GuestOS)
	tooLong := func(address string) bool { return len(address) > longestAddress }
	if len(h.Addresses) > mostAddresses || slices.ContainsFunc(h.Addresses, tooLong) {
		h.Addresses = slices.DeleteFunc(slices.Clone(h.Addresses), tooLong)
		h.Addresses = h.Addresses[:min(len(h.Addresses), mostAddresses)]
	}
	return h
}

func cut(text string) string {
	if len(text) <= longestText {
		return text
	}
	return strings.ToValidUTF8(text[:longestText], "") + "…"
}

func same(a, b farm.Host) bool {
	return a.Name == b.Name && a.State == b.State && a.GuestOS == b.GuestOS && a.Maintenance == b.Maintenance &&
		slices.Equal(a.Addresses, b.Addresses)
}
