package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// leader is etcd's; any member if it has none.
func (l *lab) leader(ctx context.Context) *member {
	for _, m := range l.members {
		try, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		s, err := l.etcd.Status(try, m.url())
		cancel()
		if err == nil && s.Header.MemberId == s.Leader {
			return m
		}
	}
	return l.members[0]
}

// toMember is a fault of a member that is chosen when it is hit.
func toMember(hold time.Duration, choose func(context.Context) *member, hit, heal func(*member) error) fault {
	var m *member
	return fault{hold: hold,
		hit:  func(ctx context.Context) error { m = choose(ctx); return hit(m) },
		heal: func(context.Context) error { return heal(m) },

		chosen: func() string { return m.name },
	}
}

func kill(m *member) error     { m.kill(); return nil }
func pause(m *member) error    { m.signal(syscall.SIGSTOP); return nil }
func goOn(m *member) error     { m.signal(syscall.SIGCONT); return nil }
func runAgain(m *member) error { return m.start() }

func (l *lab) drawn(r *rand.Rand) func(context.Context) *member {
	m := l.oneMember(r)
	return func(context.Context) *member { return m }
}

func drawMember(l *lab, r *rand.Rand) fault {
	return toMember(between(r, 200*time.Millisecond, 5*time.Second), l.drawn(r), kill, runAgain)
}

func drawLeader(l *lab, r *rand.Rand) fault {
	return toMember(between(r, 200*time.Millisecond, 5*time.Second), l.leader, kill, runAgain)
}

func drawPauseMember(l *lab, r *rand.Rand) fault {
	return toMember(between(r, 200*time.Millisecond, 8*time.Second), l.drawn(r), pause, goOn)
}

func drawPauseLeader(l *lab, r *rand.Rand) fault {
	return toMember(between(r, 200*time.Millisecond, 8*time.Second), l.leader, pause, goOn)
}

func drawLeaderHost(l *lab, r *rand.Rand) fault {
	h := l.oneHost(r)
	both := toMember(between(r, time.Second, 6*time.Second), l.leader, kill, runAgain)
	lost := l.losing(h, fault{})
	return fault{what: "and " + h.id, hold: both.hold, brokers: []string{h.id}, chosen: both.chosen,
		hit:  func(ctx context.Context) error { return errors.Join(both.hit(ctx), lost.hit(ctx)) },
		heal: func(ctx context.Context) error { return errors.Join(both.heal(ctx), lost.heal(ctx)) },
	}
}

func drawCutLeader(l *lab, r *rand.Rand) fault {
	var undo func() error
	var at *member
	w := oneWay(r)
	return fault{what: w.String(), hold: cutTime(r), chosen: func() string { return at.name },
		hit: func(ctx context.Context) (err error) {
			at = l.leader(ctx)
			var others []*node
			for _, m := range l.members {
				if m != at {
					others = append(others, m.node)
				}
			}
			undo, err = l.net.drop(w.rules(at.node, others...)...)
			return err
		},
		heal: func(context.Context) error { return undo() },
	}
}

func drawQuorum(l *lab, r *rand.Rand) fault {
	left := r.IntN(len(l.members))
	each := func(f func(*member) error) func(context.Context) error {
		return func(context.Context) error {
			return all(l.members, func(m *member) error {
				if m == l.members[left] {
					return nil
				}
				return f(m)
			})
		}
	}
	return fault{what: "all but " + l.members[left].name, hold: between(r, 500*time.Millisecond, 6*time.Second), hit: each(pause), heal: each(goOn)}
}

// drawBlind has one broker go on without etcd as long as the others allow it, who
// have etcd again.
func drawBlind(l *lab, r *rand.Rand) fault {
	h, quorum, more := l.oneHost(r), drawQuorum(l, r), between(r, 500*time.Millisecond, 4*time.Second)
	cut := l.cutting(fault{}, way(0).rules(h.node, l.etcds()...)...)
	return fault{what: fmt.Sprintf("%s, %v longer than the others", h.id, more), hold: quorum.hold, brokers: []string{h.id}, clear: true,
		hit: func(ctx context.Context) error { return errors.Join(quorum.hit(ctx), cut.hit(ctx)) },
		heal: func(ctx context.Context) error {
			err := quorum.heal(ctx)
			wait(ctx, more)
			return errors.Join(err, cut.heal(ctx))
		},
	}
}

func drawStutter(l *lab, r *rand.Rand) fault {
	m, stop := l.oneMember(r), between(r, 20*time.Millisecond, 400*time.Millisecond)
	end, ended := make(chan struct{}), make(chan struct{})
	return fault{what: fmt.Sprintf("%s, %v at a time", m.name, stop), hold: cutTime(r),
		hit: func(context.Context) error {
			go func() {
				defer close(ended)
				tick := time.NewTicker(stop)
				defer tick.Stop()
				for paused := false; ; paused = !paused {
					s := syscall.SIGSTOP
					if paused {
						s = syscall.SIGCONT
					}
					m.signal(s)
					select {
					case <-tick.C:
					case <-end:
						m.signal(syscall.SIGCONT)
						return
					}
				}
			}()
			return nil
		},
		heal: func(context.Context) error { close(end); <-ended; return nil },
	}
}

const filler = "/filler/"

func drawFull(l *lab, r *rand.Rand) fault {
	return fault{hold: between(r, 500*time.Millisecond, 4*time.Second), hit: l.fill, heal: l.makeSpace}
}

func (l *lab) fill(ctx context.Context) error {
	much := strings.Repeat("x", 1<<20)
	for i := 0; ; i++ {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := l.etcd.Put(try, fmt.Sprint(filler, i), much)
		cancel()
		if errors.Is(err, rpctypes.ErrNoSpace) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("filling etcd: %w", err)
		}
	}
}

func (l *lab) makeSpace(ctx context.Context) error {
	gone, err := l.etcd.Delete(ctx, filler, clientv3.WithPrefix())
	if err != nil {
		return fmt.Errorf("emptying etcd: %w", err)
	}
	if _, err := l.etcd.Compact(ctx, gone.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		return fmt.Errorf("emptying etcd: %w", err)
	}
	for _, m := range l.members {
		if _, err := l.etcd.Defragment(ctx, m.url()); err != nil {
			return fmt.Errorf("emptying etcd: %w", err)
		}
	}
	alarms, err := l.etcd.AlarmList(ctx)
	if err != nil {
		return fmt.Errorf("emptying etcd: %w", err)
	}
	for _, a := range alarms.Alarms {
		if _, err := l.etcd.AlarmDisarm(ctx, (*clientv3.AlarmMember)(a)); err != nil {
			return fmt.Errorf("emptying etcd: %w", err)
		}
	}
	return nil
}

func drawCompact(l *lab, _ *rand.Rand) fault {
	return fault{hit: func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		r, err := l.etcd.Put(ctx, mark, "")
		if err == nil {
			_, _ = l.etcd.Compact(ctx, r.Header.Revision) // without etcd there is nothing to forget
		}
		return nil
	}}
}
