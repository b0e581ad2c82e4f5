package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"
)

func drawKill(l *lab, r *rand.Rand) fault {
	h := l.oneHost(r)
	return fault{what: h.id, brokers: []string{h.id}, hit: func(context.Context) error { h.signal(syscall.SIGKILL, false); return nil }}
}

// drawKillTwo lets the second one die while the first one is being replaced.
func drawKillTwo(l *lab, r *rand.Rand) fault {
	two, gap := r.Perm(len(l.hosts))[:2], between(r, 500*time.Microsecond, 20*time.Millisecond)
	a, b := l.hosts[two[0]], l.hosts[two[1]]
	return fault{what: fmt.Sprintf("%s, and %s %v later", a.id, b.id, gap), brokers: []string{a.id, b.id}, hit: func(ctx context.Context) error {
		second := b.server()
		a.signal(syscall.SIGKILL, false)
		wait(ctx, gap)
		if second != 0 {
			_ = syscall.Kill(second, syscall.SIGKILL)
		}
		return nil
	}}
}

func drawStop(l *lab, r *rand.Rand) fault {
	h := l.oneHost(r)
	return fault{what: h.id, hold: between(r, 100*time.Millisecond, 3*time.Second), brokers: []string{h.id},
		hit:  func(context.Context) error { return h.stop() },
		heal: h.whole,
	}
}

// drawHost: nobody is told, not even by the kernel.
func drawHost(l *lab, r *rand.Rand) fault {
	h := l.oneHost(r)
	return l.losing(h, fault{what: h.id, hold: between(r, 100*time.Millisecond, 6*time.Second), brokers: []string{h.id}})
}

func (l *lab) losing(h *host, f fault) fault {
	f = l.cutting(f, l.alone(h, 0)...)
	cut, uncut := f.hit, f.heal
	f.hit = func(ctx context.Context) error {
		if err := cut(ctx); err != nil {
			return err
		}
		h.lose()
		return nil
	}
	f.heal = func(ctx context.Context) error {
		if err := uncut(ctx); err != nil {
			return err
		}
		return h.whole(ctx)
	}
	return f
}

func drawPause(l *lab, r *rand.Rand) fault     { return l.pausing(r, false) }
func drawPauseHost(l *lab, r *rand.Rand) fault { return l.pausing(r, true) }

func (l *lab) pausing(r *rand.Rand, all bool) fault {
	h := l.oneHost(r)
	return fault{what: h.id, hold: between(r, 100*time.Millisecond, 10*time.Second), brokers: []string{h.id},
		hit:  func(context.Context) error { h.signal(syscall.SIGSTOP, all); return nil },
		heal: func(context.Context) error { h.signal(syscall.SIGCONT, all); return nil },
	}
}

// cutTime is how long cuts last: less than a lease up to a few.
func cutTime(r *rand.Rand) time.Duration { return between(r, 300*time.Millisecond, 6*time.Second) }

func drawCutEtcd(l *lab, r *rand.Rand) fault {
	h, w := l.oneHost(r), oneWay(r)
	f := fault{what: fmt.Sprintf("%s, %v", h.id, w), hold: cutTime(r), brokers: []string{h.id}, clear: true, silent: []string{h.id}, bound: l.ttl}
	return l.cutting(f, w.rules(h.node, l.etcds()...)...)
}

func drawCutPeers(l *lab, r *rand.Rand) fault {
	h, w := l.oneHost(r), oneWay(r)
	return l.cutting(fault{what: fmt.Sprintf("%s, %v", h.id, w), hold: cutTime(r), brokers: []string{h.id}, clear: true}, w.rules(h.node, l.others(h)...)...)
}

func (l *lab) alone(h *host, w way) []rule {
	all := append(append(l.others(h), l.etcds()...), l.place, l.desk)
	rules := w.rules(h.node, all...)
	if w != 3 {
		rules = append(rules, rule{h.node, "ip saddr " + everything})
	}
	return rules
}

func drawCutAll(l *lab, r *rand.Rand) fault {
	h, w := l.oneHost(r), oneWay(r)
	f := fault{what: fmt.Sprintf("%s, %v", h.id, w), hold: cutTime(r), brokers: []string{h.id}, silent: []string{h.id}, bound: l.ttl}
	return l.cutting(f, l.alone(h, w)...)
}

func drawCutProvider(l *lab, r *rand.Rand) fault {
	h, w := l.oneHost(r), oneWay(r)
	id := l.providers[r.IntN(len(l.providers))]
	var rules []rule
	if w != 3 {
		rules = append(rules, from(l.where[id], h.node))
	}
	if w != 2 {
		rules = append(rules, rule{l.place, "ip saddr " + h.ip + " ip daddr " + l.where[id]})
	}
	return l.cutting(fault{what: fmt.Sprintf("%s and %s, %v", h.id, id, w), hold: cutTime(r), brokers: []string{h.id}}, rules...)
}

// sides shares the brokers out to two sides, neither of them empty.
func (l *lab) sides(r *rand.Rand) (a, b []*host) {
	order := r.Perm(len(l.hosts))
	n := 1 + r.IntN(len(l.hosts)-1)
	for i, at := range order {
		if i < n {
			a = append(a, l.hosts[at])
		} else {
			b = append(b, l.hosts[at])
		}
	}
	return a, b
}

func names(hosts []*host) (all []string) {
	for _, h := range hosts {
		all = append(all, h.id)
	}
	return all
}

func drawHalves(l *lab, r *rand.Rand) fault {
	a, b := l.sides(r)
	f := fault{what: fmt.Sprint(names(a), " from ", names(b)), hold: cutTime(r)}
	var rules []rule
	for _, one := range a {
		for _, other := range b {
			rules = append(rules, way(0).rules(one.node, other.node)...)
		}
	}
	return l.cutting(f, rules...)
}

// drawHalvesAll leaves one member of etcd to the first side: its brokers have no etcd.
func drawHalvesAll(l *lab, r *rand.Rand) fault {
	a, b := l.sides(r)
	m := l.oneMember(r)
	f := fault{what: fmt.Sprint(names(a), " with ", m.name, " from ", names(b)), hold: cutTime(r), brokers: names(a), clear: true, silent: names(a), bound: l.ttl}
	here, there := []*node{m.node}, []*node{}
	for _, h := range a {
		here = append(here, h.node)
	}
	for _, h := range b {
		there = append(there, h.node)
	}
	for _, n := range l.etcds() {
		if n != m.node {
			there = append(there, n)
		}
	}
	var rules []rule
	for _, one := range here {
		rules = append(rules, way(0).rules(one, there...)...)
	}
	// If the leader is on the first side, etcd's other side must elect one first; it
	// may go on for a while with leases that it renewed before.
	f.bound += 3 * election
	return l.cutting(f, rules...)
}

func drawApart(l *lab, r *rand.Rand) fault {
	f := fault{what: "all brokers", hold: between(r, 4*time.Second, 8*time.Second), silent: l.ids(), bound: l.bounds.BrokerOutOfContact, slack: 3 * time.Second}
	var rules []rule
	for _, h := range l.hosts {
		for _, other := range l.others(h) {
			rules = append(rules, from(other.ip, h.node))
		}
	}
	return l.cutting(f, rules...)
}

func drawLoss(l *lab, r *rand.Rand) fault {
	h, percent := l.oneHost(r), 5+r.IntN(60)
	f := fault{what: fmt.Sprintf("%s, %d%%", h.id, percent), hold: cutTime(r), brokers: []string{h.id}}
	return l.cutting(f, rule{h.node, fmt.Sprintf("ip saddr %s numgen random mod 100 < %d", everything, percent)})
}

func drawSlow(l *lab, r *rand.Rand) fault {
	h, kbit := l.oneHost(r), 32<<r.IntN(5)
	return fault{what: fmt.Sprintf("%s, %d kbit/s", h.id, kbit), hold: cutTime(r), brokers: []string{h.id},
		hit:  func(context.Context) error { return slow(h.node, kbit) },
		heal: func(context.Context) error { return notSlow(h.node) },
	}
}

func drawDelay(l *lab, r *rand.Rand) fault {
	h, d := l.oneHost(r), between(r, 10*time.Millisecond, 2*time.Second)
	return fault{what: fmt.Sprintf("%s, %v", h.id, d), hold: cutTime(r), brokers: []string{h.id},
		hit:  func(context.Context) error { l.witness.delay(h.id, d); return nil },
		heal: func(context.Context) error { l.witness.delay(h.id, 0); return nil },
	}
}

// drawUnreachable cuts a vCenter off from the broker that owns it, until another
// one owns it and is connected: that others reach it is what matters.
func drawUnreachable(l *lab, r *rand.Rand) fault {
	id := fmt.Sprintf("vc-%d", 1+r.IntN(max(1, l.vcenters)))
	var owner string
	var undo func() error
	return fault{
		chosen: func() string { return owner + " and " + id },
		hit: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			here := func() (is bool) { owner, is = l.eye.connected(id); return is }
			if err := l.eye.await(ctx, here); err != nil {
				return fmt.Errorf("%s has no owner: %w", id, err)
			}
			i := slices.IndexFunc(l.hosts, func(h *host) bool { return h.id == owner })
			var err error
			if undo, err = l.net.drop(from(l.where[id], l.hosts[i].node), rule{l.place, "ip saddr " + l.hosts[i].ip + " ip daddr " + l.where[id]}); err != nil {
				return err
			}
			elsewhere := func() bool { now, is := l.eye.connected(id); return is && now != owner }
			if err := l.eye.await(ctx, elsewhere); err != nil {
				return fmt.Errorf("%s stays at %s, which does not reach it: %w", id, owner, err)
			}
			return nil
		},
		heal: func(context.Context) error { return undo() },
	}
}
