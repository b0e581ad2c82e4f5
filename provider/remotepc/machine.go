package remotepc

import (
	"net"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
)

// entry is a machine as the options name it.
type entry struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Address string `json:"address"`
}

// machine is one PC of the pool.
type machine struct {
	id         farm.HostID
	name       string
	host, port string
}

const (
	defaultPort = "3389" // that of the Remote Desktop Protocol
	maxMachines = 10_000 // one broker checks them all, again and again
	maxText     = 253    // characters of an id or name; the longest name DNS has
	maxID       = 253    // bytes of an id: it is part of keys in storage
)

// machinesOf takes in the machines of a pool.
func machinesOf(faults *provider.Faults, entries []entry) []machine {
	switch {
	case len(entries) == 0:
		faults.Add("/options/machines", "must have at least one machine")
	case len(entries) > maxMachines:
		faults.Add("/options/machines", "must have at most %d machines", maxMachines)
		return nil
	}
	var all []machine
	seen := make(map[string]bool, len(entries))
	for i, e := range entries {
		if faults.Enough() {
			return nil
		}
		at := "/options/machines/" + strconv.Itoa(i)
		if seen[e.ID] && e.ID != "" {
			faults.Add(at+"/id", "is the id of another machine too")
		}
		seen[e.ID] = true
		all = append(all, machineOf(faults, e, at))
	}
	return all
}

func machineOf(faults *provider.Faults, e entry, at string) machine {
	m := machine{id: farm.HostID(e.ID), name: e.Name}
	// An id is part of a URL: clients and proxies would resolve or split it.
	if !text(e.ID) || len(e.ID) > maxID || strings.Contains(e.ID, "/") || e.ID == "." || e.ID == ".." {
		faults.Add(at+"/id", "must be 1 to %d bytes of UTF-8, not / or control characters, and neither . nor ..", maxID)
	}
	if m.name == "" {
		m.name = e.ID
	} else if !text(m.name) {
		faults.Add(at+"/name", "must be at most %d characters, and no control characters", maxText)
	}
	var ok bool
	if m.host, m.port, ok = split(e.Address); !ok {
		faults.Add(at+"/address", "must be a host name or IP address, with a port from 1 to 65535 unless it is %s", defaultPort)
	}
	return m
}

func text(s string) bool {
	return s != "" && utf8.RuneCountInString(s) <= maxText && !strings.ContainsFunc(s, unicode.IsControl)
}

// split takes an address apart; a missing port is the default one.
func split(address string) (host, port string, ok bool) {
	host, port = address, defaultPort
	if strings.HasPrefix(address, "[") && strings.HasSuffix(address, "]") {
		host = address[1 : len(address)-1]
	} else if net.ParseIP(address) == nil && strings.Contains(address, ":") {
		var err error
		if host, port, err = net.SplitHostPort(address); err != nil {
			return "", "", false
		}
	}
	if !hostname(host) {
		return "", "", false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return host, port, err == nil && n > 0
}

func hostname(host string) bool {
	return host != "" && len(host) <= maxText && !strings.ContainsAny(host, "/[]") &&
		!strings.ContainsFunc(host, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

// target is where to connect to.
func (m machine) target() string { return net.JoinHostPort(m.host, m.port) }

// address is what users need to know: the port only if it is an unusual one.
func (m machine) address() string {
	if m.port == defaultPort {
		return m.host
	}
	return m.target()
}
