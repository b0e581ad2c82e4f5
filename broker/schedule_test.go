package broker

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
)

var (
	schedules = flag.Int("schedules", 0, "how many random schedules to play; 0: as many as a moment allows")
	seed      = flag.Uint64("seed", 1, "of the first schedule; the others have those that follow")
	small     = flag.Bool("small", true, "look for the smallest schedule that fails")
	again     = flag.Int("again", 1, "how often to play each schedule: what comes at one instant comes in any order")
)

// Whatever happens to a Site, nobody acts beside another, epochs rise one by one,
// and once everything is mended everything is connected.
//
//	go test ./broker -run Schedules -schedules 1 -seed N -again 20
//
// plays one again.
func TestSchedules(t *testing.T) {
	n, deadline := *schedules, time.Time{}
	if n == 0 {
		n, deadline = schedulesAtOnce, time.Now().Add(moment)
	}
	gc := debug.SetGCPercent(400) // much is made and thrown away
	t.Cleanup(func() { debug.SetGCPercent(gc) })
	var failed atomic.Bool // one is enough
	played := make(chan struct{}, n)
	t.Cleanup(func() { t.Logf("%d schedules from seed %d", len(played), *seed) })
	for i := range uint64(n) {
		t.Run(fmt.Sprintf("seed=%d", *seed+i), func(t *testing.T) {
			t.Parallel()
			if failed.Load() || !deadline.IsZero() && time.Now().After(deadline) {
				t.SkipNow()
			}
			playSchedule(t, *seed+i)
			failed.CompareAndSwap(false, t.Failed())
			played <- struct{}{}
		})
	}
}

// What a run without -schedules plays at most, and for how long.
const (
	schedulesAtOnce = 3000
	moment          = 15 * time.Second
)

func playSchedule(t *testing.T, seed uint64) {
	s := drawScript(seed)
	defer func() {
		if r := recover(); r != nil {
			panic(fmt.Sprintf("seed %d: %v\n%s", seed, r, s))
		}
	}()
	for range *again {
		story, faults := s.play(t, mended)
		if len(faults) == 0 {
			continue
		}
		t.Errorf("seed %d:\n%s\n%s\n%s", seed, strings.Join(faults, "\n"), s, strings.Join(story, "\n"))
		if *small {
			t.Errorf("the smallest that fails:\n%s", s.shrink(t))
		}
		return
	}
}

// shrink leaves away what is not needed for a schedule to fail.
func (s script) shrink(t *testing.T) script {
	fails := func(s script) bool {
		for range 3 {
			if _, faults := s.play(t, mended); len(faults) > 0 {
				return true
			}
		}
		return false
	}
	for i := len(s.commands) - 1; i >= 0; i-- {
		less := s
		less.commands = slices.Delete(slices.Clone(s.commands), i, i+1)
		if fails(less) {
			s = less
		}
	}
	return s
}

// mended mends everything and waits until all is well.
func mended(s *stage) {
	_ = s.do("heal")
	s.note(0, "· heal")
	began := time.Now()
	if !s.await(wellAgain, s.well) {
		p := s.picture()
		s.fault("not well %v after everything was mended: %s\nseats %+v\nowners %+v\npresence %+v", time.Since(began), inTheEnd(p), p.Seats.Value, p.Owners, p.Presence)
		for _, c := range s.plant.history() {
			s.fault("%s %s", seconds(c.at.Sub(s.zero)), c)
		}
	}
}

// wellAgain is how long it takes at most until all is well: contact heals later
// each time, and an agent connects again later each time; then there are the
// leases, the promises and the decisions.
const wellAgain = 30*time.Second + longestRetry + 2*testTTL + farm.PromiseLasts + 20*time.Second

// well is: all are there, whoever owns serves, and who acts is who owns.
func (s *stage) well(p *farm.Picture) bool {
	if len(p.Presence) < len(s.processes) || p.Coordinator.Broker == "" || p.Seats.Value.State == farm.StateLost {
		return false
	}
	active := s.plant.active()
	for id, c := range p.Providers {
		st := p.ProviderStatus(id)
		switch {
		case !c.Value.Enabled:
			if active[id] != nil {
				return false
			}
			continue
		case st.State == farm.ProviderUnavailable && p.Seats.Value.State == farm.StateOff:
			continue // it waits for a broker that may not have it
		case st.State != farm.ProviderConnected, active[id] == nil, active[id] != s.processes[st.Owner],
			!slices.Contains(p.Seats.Value.Serving, st.Owner):
			return false
		}
	}
	return len(p.Cuts()) == 0
}

// drawScript draws a Site and what happens to it.
func drawScript(seed uint64) script {
	d := &drawing{Rand: rand.New(rand.NewPCG(seed, 20))}
	s := &d.script
	for i := range 2 + d.IntN(5) {
		s.active = append(s.active, farm.BrokerID(fmt.Sprintf("cb-%d", i+1)))
	}
	for i := range max(0, d.IntN(5)-1) {
		s.standby = append(s.standby, farm.BrokerID(fmt.Sprintf("cb-%d", len(s.active)+i+1)))
	}
	d.all = slices.Concat(s.active, s.standby)
	s.fresh, s.loose = d.IntN(3) == 0, true
	s.settings = []string{
		"failback=" + pick(d, "automatic", "automatic", "manual"),
		"holdDown=" + pick(d, "10s", "1s", "5s"),
		"tieBreaker=" + pick(d, "none", "priority"),
		"failsafe=" + pick(d, "on", "off"),
		"maxParallelMoves=" + pick(d, "8", "1", "2"),
	}
	for i := range 1 + d.IntN(6) {
		preferred := pick(d, "automatic", string(pick(d, s.active...)))
		if len(s.active) < farm.MinSeats {
			preferred = string(pick(d, s.active...))
		}
		s.providers = append(s.providers, fmt.Sprintf("vc-%d=%s", i+1, preferred))
	}
	for range 2 + d.IntN(10) {
		d.happens()
	}
	slices.SortStableFunc(s.commands, func(a, b command) int { return int(a.at - b.at) })
	if n := len(s.commands); n > 0 {
		s.until = s.commands[n-1].at + d.soon(4*time.Second)
	}
	return *s
}

// drawing is a script that is being drawn.
type drawing struct {
	*rand.Rand
	script
	all ids
	now time.Duration
}

func pick[T any](d *drawing, from ...T) T { return from[d.IntN(len(from))] }

// soon is between nothing and max, often nearly nothing.
func (d *drawing) soon(max time.Duration) time.Duration {
	x := d.Float64()
	return time.Duration(x * x * float64(max)).Round(10 * time.Millisecond)
}

func (d *drawing) broker() string   { return string(pick(d, d.all...)) }
func (d *drawing) provider() string { return strings.SplitN(pick(d, d.providers...), "=", 2)[0] }
func (d *drawing) add(text string)  { d.commands = append(d.commands, command{d.now, text}) }
func (d *drawing) later(at time.Duration, text string) {
	d.commands = append(d.commands, command{d.now + at, text})
}

// happens draws one fault, or what an operator does, and often its end.
func (d *drawing) happens() {
	d.now += d.soon(6 * time.Second)
	b, pr := d.broker(), d.provider()
	ends := func(text string) {
		if d.IntN(4) > 0 {
			d.later(d.soon(12*time.Second)+10*time.Millisecond, text)
		}
	}
	switch d.IntN(22) {
	case 20, 21: // who decides is slow, and what it decides comes late
		d.add(fmt.Sprintf("slow %s %s", pick(d, b, string(d.all[0])), pick(d, "200ms", "400ms", "600ms")))
		for range 1 + d.IntN(2) {
			other := d.broker()
			d.later(d.soon(5*time.Second), pick(d, "kill ", "cut ", "restart ")+other)
			d.later(5*time.Second+d.soon(5*time.Second), pick(d, "start ", "restore ")+other)
		}
		ends("steady all")
	case 0, 1:
		d.add("kill " + b)
		ends("start " + b)
	case 2:
		d.add("stop " + b)
		ends("start " + b)
	case 3:
		d.add("restart " + b)
	case 4, 5:
		d.add("cut " + b)
		ends("restore " + b)
	case 6:
		d.add("cut all")
		if d.IntN(2) == 0 {
			ends("restore all")
			return
		}
		for _, id := range d.all {
			ends("restore " + string(id))
		}
	case 7, 8:
		d.parts()
	case 9:
		other := d.broker()
		if other == b {
			return
		}
		d.add(fmt.Sprintf("mute %s > %s", b, other))
		ends(fmt.Sprintf("unmute %s > %s", b, other))
	case 10:
		d.add("break " + pr)
		ends("mend " + pr)
	case 11:
		d.add(fmt.Sprintf("slow %s %s", b, pick(d, "100ms", "300ms", "900ms", "2s")))
		ends("steady " + b)
	case 12:
		d.add(fmt.Sprintf("lose %s %d", b, 1+d.IntN(3)))
		ends("cut " + b)
		ends("restore " + b)
	case 13:
		d.add(fmt.Sprintf("late %s %d %s", b, 1+d.IntN(3), pick(d, "200ms", "1s", "3s")))
	default:
		d.operator(b, pr, ends)
	}
}

// parts cuts the brokers into two groups, or a pair of them from each other.
func (d *drawing) parts() {
	mixed := slices.Clone(d.all)
	d.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	at := 1 + d.IntN(len(mixed)-1)
	these, those := mixed[:at], mixed[at:]
	if d.IntN(3) == 0 {
		these, those = mixed[:1], mixed[1:2]
	}
	groups := words(these) + " | " + words(those)
	d.add("part " + groups)
	if d.IntN(4) > 0 {
		d.later(d.soon(12*time.Second), "join "+groups)
	}
}

// operator draws what an operator does.
func (d *drawing) operator(b, pr string, ends func(string)) {
	switch d.IntN(12) {
	case 0:
		id := fmt.Sprintf("vc-%d", 7+d.IntN(3))
		d.add("add " + id + pick(d, "", " automatic", " "+b))
		ends("delete " + id)
	case 1:
		d.add("delete " + pr)
		ends("add " + pr)
	case 2:
		d.add("disable " + pr)
		ends("enable " + pr)
	case 3:
		d.add("disable " + b)
		ends("enable " + b)
	case 4:
		d.add("prefer " + pr + " " + pick(d, "automatic", b))
	case 5, 6:
		d.add("move " + pr + " " + b)
		ends("unpin " + pr)
	case 7, 8:
		d.add("drain " + b)
		ends("undrain " + b)
	case 9:
		d.add("mode " + b + " " + pick(d, "active", "standby"))
	case 10:
		d.add("up " + b)
	case 11:
		d.add("set " + pick(d, "failback=manual", "failback=automatic", "holdDown=1s", "holdDown=10s", "tieBreaker=none",
			"tieBreaker=priority", "failsafe=on", "failsafe=off", "maxParallelMoves=1", "maxParallelMoves=8"))
	}
}
