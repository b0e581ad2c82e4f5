package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// network is a switch, in a namespace of its own, and the machines at it.
type network struct {
	prefix string
	names  []string // of namespaces

	mu    sync.Mutex
	nodes []*node
	next  int
}

// node is a machine: a namespace with an address and a filter of what arrives.
// What is dropped is dropped where it arrives, so that nobody is told.
type node struct {
	name, ns, ip string
	filter       map[int]string
}

const everything = "10.77.0.0/16"

func newNetwork() (*network, error) {
	removeStale()
	n := &network{prefix: fmt.Sprintf("quorate-lab-%d-", os.Getpid())}
	sw := n.prefix + "switch"
	n.names = append(n.names, sw)
	return n, ip("netns add "+sw, "-n "+sw+" link add br0 type bridge", "-n "+sw+" link set br0 up")
}

// join adds a machine. more are further addresses of it.
func (n *network) join(name, address string, more ...string) (*node, error) {
	m := &node{name: name, ns: n.prefix + name, ip: address, filter: map[int]string{}}
	sw, port := n.prefix+"switch", fmt.Sprint("v", len(n.nodes))
	n.names = append(n.names, m.ns)
	lines := []string{
		"netns add " + m.ns,
		"link add " + port + " netns " + sw + " type veth peer name eth0 netns " + m.ns,
		"-n " + sw + " link set " + port + " master br0 up",
		"-n " + m.ns + " link set lo up",
		"-n " + m.ns + " link set eth0 up",
	}
	for _, a := range append([]string{address}, more...) {
		lines = append(lines, "-n "+m.ns+" addr add "+a+"/16 dev eth0")
	}
	if err := ip(lines...); err != nil {
		return nil, err
	}
	n.nodes = append(n.nodes, m)
	return m, nft(m, "add table inet lab\nadd chain inet lab in { type filter hook input priority 0; policy accept; }\n")
}

// rule drops what arrives at a machine and matches.
type rule struct {
	at    *node
	match string
}

// from is everything that an address sends there.
func from(address string, at *node) rule { return rule{at, "ip saddr " + address} }

// drop applies rules until the returned function is called.
func (n *network) drop(rules ...rule) (undo func() error, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ids := map[int]*node{}
	for _, r := range rules {
		n.next++
		r.at.filter[n.next] = r.match
		ids[n.next] = r.at
	}
	return func() error {
		n.mu.Lock()
		defer n.mu.Unlock()
		for id, at := range ids {
			delete(at.filter, id)
		}
		return apply(slices.Collect(maps.Values(ids)))
	}, apply(slices.Collect(maps.Values(ids)))
}

func apply(nodes []*node) error {
	seen := map[*node]bool{}
	var errs []error
	for _, m := range nodes {
		if seen[m] {
			continue
		}
		seen[m] = true
		text := "flush chain inet lab in\n"
		for _, match := range m.filter {
			text += "add rule inet lab in " + match + " drop\n"
		}
		errs = append(errs, nft(m, text))
	}
	return errors.Join(errs...)
}

// slow makes a machine's line slow and its queue long.
func slow(m *node, kbit int) error {
	return tool("tc", "", "-n", m.ns, "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", fmt.Sprint(kbit, "kbit"), "burst", "4kb", "latency", "800ms")
}

func notSlow(m *node) error {
	err := tool("tc", "", "-n", m.ns, "qdisc", "del", "dev", "eth0", "root")
	if err != nil && strings.Contains(err.Error(), "handle of zero") { // it is not
		return nil
	}
	return err
}

func (n *network) close() error {
	var errs []error
	for _, name := range n.names {
		errs = append(errs, ip("netns del "+name))
	}
	return errors.Join(errs...)
}

// left returns the namespaces that are still there.
func (n *network) left() (all []string) {
	entries, _ := os.ReadDir("/run/netns")
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), n.prefix) {
			all = append(all, e.Name())
		}
	}
	return all
}

// removeStale removes what a laboratory that was killed has left.
func removeStale() {
	entries, _ := os.ReadDir("/run/netns")
	ours := regexp.MustCompile(`^quorate-lab-(\d+)-`)
	for _, e := range entries {
		if m := ours.FindStringSubmatch(e.Name()); m != nil {
			if _, err := os.Stat("/proc/" + m[1]); err != nil {
				_ = ip("netns del " + e.Name())
			}
		}
	}
}

func ip(lines ...string) error {
	for _, line := range lines {
		if err := tool("ip", "", strings.Fields(line)...); err != nil {
			return err
		}
	}
	return nil
}

func nft(m *node, text string) error {
	return tool("ip", text, "netns", "exec", m.ns, "nft", "-f", "-")
}

func tool(name, input string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(input)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(text))
	}
	return nil
}

// dialer opens connections from a namespace.
func dialer(ns string) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (c net.Conn, err error) {
		err = inside(ns, func() error {
			c, err = new(net.Dialer).DialContext(ctx, network, address)
			return err
		})
		return c, err
	}
}
