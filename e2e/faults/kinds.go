package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// kind is a way to do harm.
type kind struct {
	name, what string
	weight     int
	solo       bool // not together with others
	draw       func(*lab, *rand.Rand) fault
}

// fault is one, drawn: nothing in it depends on how the Site is.
type fault struct {
	kind string
	what string
	hold time.Duration // until it heals
	hit  func(context.Context) error
	heal func(context.Context) error // nil: it heals by itself

	chosen func() string // what was found to hit, if that depends on how things are

	brokers []string      // to whom it is done
	clear   bool          // they run, and nothing is between them and the Providers
	silent  []string      // who must not make calls while it lasts,
	bound   time.Duration // after that,
	slack   time.Duration // and what a busy machine may add; 0 for who stops by its own clock
}

func kinds() []kind {
	return []kind{
		{"kill", "kill -9 of a server; its guard starts it again", 6, false, drawKill},
		{"kill-two", "kill -9 of two servers, one a moment after the other", 4, false, drawKillTwo},
		{"stop", "SIGTERM of a guard, and a start later", 2, false, drawStop},
		{"host", "a broker's machine is lost without a word, and comes back", 4, false, drawHost},
		{"pause", "SIGSTOP of a server", 6, false, drawPause},
		{"pause-host", "SIGSTOP of a server and its guard", 4, false, drawPauseHost},
		{"cut-etcd", "a broker and all of etcd cannot reach each other, or only one way", 6, false, drawCutEtcd},
		{"cut-peers", "a broker and the other brokers, both ways or one", 5, false, drawCutPeers},
		{"cut-all", "a broker and everything, both ways or one", 5, false, drawCutAll},
		{"cut-provider", "a broker and a Provider, both ways or one", 4, false, drawCutProvider},
		{"unreachable", "a Provider and its owner, until another broker has it", 1, true, drawUnreachable},
		{"halves", "the brokers are cut in two", 3, false, drawHalves},
		{"halves-all", "the brokers and etcd's members are cut in two", 3, false, drawHalvesAll},
		{"apart", "no broker reaches another one; all reach etcd", 2, true, drawApart},
		{"loss", "a broker loses some of what is sent to it", 4, false, drawLoss},
		{"slow", "a broker's line is slow, with a long queue", 3, false, drawSlow},
		{"delay", "what a broker sends to Providers is late", 2, false, drawDelay},
		{"member", "kill -9 of an etcd member, and a start later", 4, false, drawMember},
		{"leader", "kill -9 of etcd's leader, and a start later", 4, false, drawLeader},
		{"leader-host", "etcd's leader and a broker's machine are lost together", 3, true, drawLeaderHost},
		{"pause-member", "SIGSTOP of an etcd member", 3, false, drawPauseMember},
		{"pause-leader", "SIGSTOP of etcd's leader", 3, false, drawPauseLeader},
		{"cut-leader", "etcd's leader and the other members", 3, false, drawCutLeader},
		{"quorum", "SIGSTOP of two etcd members: nobody has etcd", 4, false, drawQuorum},
		{"blind", "nobody has etcd, and when it is back one broker has none for a while yet", 4, true, drawBlind},
		{"stutter", "an etcd member stops and goes on all the time, as with a disk that hangs", 2, false, drawStutter},
		{"full", "etcd is full, and space is made", 1, true, drawFull},
		{"compact", "etcd forgets all history", 2, false, drawCompact},
		{"move", "an operator moves every Provider", 3, false, drawMove},
		{"drain", "an operator drains a broker, and undrains it", 2, false, drawDrain},
	}
}

// between draws a duration; short ones are as likely as long ones.
func between(r *rand.Rand, from, to time.Duration) time.Duration {
	d := math.Exp(math.Log(float64(from)) + r.Float64()*(math.Log(float64(to))-math.Log(float64(from))))
	return time.Duration(d).Round(time.Millisecond)
}

func (l *lab) oneHost(r *rand.Rand) *host     { return l.hosts[r.IntN(len(l.hosts))] }
func (l *lab) oneMember(r *rand.Rand) *member { return l.members[r.IntN(len(l.members))] }

// way is a direction, as seen from the one that is cut off.
type way int

func oneWay(r *rand.Rand) way { return way(r.IntN(4)) } // both ways are as likely as either

func (w way) String() string {
	return [...]string{"both ways", "both ways", "nothing arrives", "nothing leaves"}[w]
}

// rules cut one machine off from others.
func (w way) rules(one *node, others ...*node) (rules []rule) {
	for _, other := range others {
		if w != 3 {
			rules = append(rules, from(other.ip, one))
		}
		if w != 2 {
			rules = append(rules, from(one.ip, other))
		}
	}
	return rules
}

// cutting is a fault of the network.
func (l *lab) cutting(f fault, rules ...rule) fault {
	var undo func() error
	f.hit = func(context.Context) (err error) { undo, err = l.net.drop(rules...); return err }
	f.heal = func(context.Context) error { return undo() }
	return f
}

func (l *lab) others(h *host) (nodes []*node) {
	for _, other := range l.hosts {
		if other != h {
			nodes = append(nodes, other.node)
		}
	}
	return nodes
}

func (l *lab) etcds() (nodes []*node) {
	for _, m := range l.members {
		nodes = append(nodes, m.node)
	}
	return nodes
}

func (l *lab) ids() (all []string) {
	for _, h := range l.hosts {
		all = append(all, h.id)
	}
	return all
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }
