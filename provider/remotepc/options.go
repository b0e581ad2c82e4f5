package remotepc

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
)

// options are a Target's options, as schema describes them.
type options struct {
	Machines []struct {
		ID      string `json:"id"`
		Name    string `json:"name"`
		Address string `json:"address"`
	} `json:"machines"`
	Interval string `json:"interval"`
	Timeout  string `json:"timeout"`
}

// pool is what to check, and how.
type pool struct {
	machines          []machine
	interval, timeout time.Duration
}

type machine struct {
	id         farm.HostID
	name       string
	host, port string
}

// defaultPort is that of the Remote Desktop Protocol.
const defaultPort = "3389"

func poolOf(t provider.Target) (pool, error) {
	o := options{Interval: "5s", Timeout: "2s"}
	if err := provider.DecodeOptions(t.Options, &o); err != nil {
		return pool{}, err
	}
	var faults []error
	if t.Address != "" {
		faults = append(faults, errors.New("address: a PC pool has none of its own; each of options.machines has one"))
	}
	if t.Username != "" || t.Secret != "" {
		faults = append(faults, errors.New("username: nobody logs in to a PC pool; leave it and the secret empty"))
	}
	var p pool
	var err error
	if p.interval, err = between(o.Interval, 100*time.Millisecond, time.Hour); err != nil {
		faults = append(faults, fmt.Errorf("options: interval: %w", err))
	}
	if p.timeout, err = between(o.Timeout, 100*time.Millisecond, time.Minute); err != nil {
		faults = append(faults, fmt.Errorf("options: timeout: %w", err))
	}
	if len(o.Machines) == 0 {
		faults = append(faults, errors.New("options: machines: at least one machine is needed"))
	}
	seen := make(map[farm.HostID]bool)
	for i, in := range o.Machines {
		m := machine{id: farm.HostID(in.ID), name: in.Name}
		switch {
		case m.id == "":
			faults = append(faults, fmt.Errorf("options: machines[%d]: id is missing", i))
		case seen[m.id]:
			faults = append(faults, fmt.Errorf("options: machines[%d]: another machine has the id %s", i, m.id))
		}
		seen[m.id] = true
		if m.name == "" {
			m.name = in.ID
		}
		if m.host, m.port, err = split(in.Address); err != nil {
			faults = append(faults, fmt.Errorf("options: machines[%d]: address: %w", i, err))
		}
		p.machines = append(p.machines, m)
	}
	if err := errors.Join(faults...); err != nil {
		return pool{}, fmt.Errorf("%w: %w", provider.ErrInvalidOptions, err)
	}
	return p, nil
}

func between(s string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as 5s", s)
	}
	if d < least || d > most {
		return 0, fmt.Errorf("%s is not between %s and %s", d, least, most)
	}
	return d, nil
}

// split takes an address apart; a missing port is the default one.
func split(address string) (host, port string, err error) {
	host, port = address, defaultPort
	if strings.HasPrefix(address, "[") && strings.HasSuffix(address, "]") {
		host = address[1 : len(address)-1]
	} else if net.ParseIP(address) == nil && strings.Contains(address, ":") {
		if host, port, err = net.SplitHostPort(address); err != nil {
			return "", "", fmt.Errorf("%q is not host:port", address)
		}
	}
	if host == "" || strings.ContainsAny(host, "/ \t\n[]") {
		return "", "", fmt.Errorf("%q has no host", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", fmt.Errorf("%q is not a port", port)
	}
	return host, port, nil
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
