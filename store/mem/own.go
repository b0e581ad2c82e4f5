package mem

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/quorate/quorate/farm"
)

// What is stored is the memory's own: it shares nothing with the caller, and
// reads back as it would from a store that writes it out (times in UTC, no
// empty slices).

func ownSite(v farm.Site) farm.Site {
	v.CreatedAt, v.UpdatedAt = utc(v.CreatedAt), utc(v.UpdatedAt)
	return v
}

func ownBroker(v farm.Broker) farm.Broker {
	v.CreatedAt, v.UpdatedAt = utc(v.CreatedAt), utc(v.UpdatedAt)
	return v
}

func ownProvider(v farm.Provider) farm.Provider {
	v.CreatedAt, v.UpdatedAt = utc(v.CreatedAt), utc(v.UpdatedAt)
	var compact bytes.Buffer
	if json.Compact(&compact, v.Options) == nil {
		v.Options = compact.Bytes()
	} else {
		v.Options = ownSlice(v.Options)
	}
	if len(v.Options) == 0 {
		v.Options = nil
	}
	return v
}

func ownPresence(v farm.Presence) farm.Presence {
	v.Since = utc(v.Since)
	v.ContactKey = ownSlice(v.ContactKey)
	if v.Paths = maps.Clone(v.Paths); len(v.Paths) == 0 {
		v.Paths = nil
	}
	if v.Unreached = maps.Clone(v.Unreached); len(v.Unreached) == 0 {
		v.Unreached = nil
	}
	return v
}

func ownOwnership(v farm.Ownership) farm.Ownership {
	v.Since = utc(v.Since)
	return v
}

func ownReport(v farm.Report) farm.Report {
	v.Since = utc(v.Since)
	return v
}

func ownHost(v farm.Host) farm.Host {
	v.AsOf = utc(v.AsOf)
	v.Addresses = ownSlice(v.Addresses)
	return v
}

func ownSeats(v farm.Seats) farm.Seats {
	v.Since = utc(v.Since)
	v.Seats, v.Serving, v.Electors = ownSlice(v.Seats), ownSlice(v.Serving), ownSlice(v.Electors)
	v.Returns, v.Online = ownMap(v.Returns), ownMap(v.Online)
	return v
}

func ownSlice[S ~[]E, E any](s S) S {
	if len(s) == 0 {
		return nil
	}
	return slices.Clone(s)
}

func ownMap[K comparable, V any](m map[K]V) map[K]V {
	if len(m) == 0 {
		return nil
	}
	return maps.Clone(m)
}
