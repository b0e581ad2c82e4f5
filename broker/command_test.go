package broker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// A command is a line of a script: what happens on a stage, and when. They are
// listed in testdata/scenarios/README.md.
type command struct {
	at   time.Duration // from the beginning
	text string
}

func (c command) String() string {
	return fmt.Sprintf("at %-6s %s", strconv.FormatFloat(c.at.Seconds(), 'f', -1, 64)+"s", c.text)
}

// do carries a command out. Its error is a refusal of the rules; a command that
// cannot be understood is a fault. One that makes no sense now does nothing.
func (s *stage) do(text string) error {
	s.mu.Lock()
	s.quiet = time.Now()
	s.mu.Unlock()
	w := strings.Fields(text)
	switch verb, rest := w[0], w[1:]; verb {
	case "start":
		s.doStart(rest)
	case "kill", "stop", "restart", "cut", "restore", "steady":
		s.doEach(verb, rest)
	case "slow", "lose", "late", "hush":
		s.doPath(verb, rest)
	case "part", "join", "mute", "unmute":
		s.doContact(verb, strings.TrimSpace(strings.TrimPrefix(text, verb)))
	case "break", "mend":
		s.plant.breaks(farm.ProviderID(rest[0]), verb == "break")
	case "heal":
		s.heal()
	default:
		return s.operate(verb, rest)
	}
	return nil
}

func (s *stage) doStart(w []string) {
	id, mode := farm.BrokerID(w[0]), farm.Mode("")
	if len(w) == 3 {
		mode = farm.Mode(w[2])
	}
	if s.processes[id] != nil {
		return
	}
	for _, p := range s.ending {
		if p.id == id && !p.dead.Load() {
			<-p.done // who is responsible for its server starts no second one beside it
		}
	}
	s.start(id, mode)
}

func (s *stage) named(w []string) (out ids) {
	if len(w) == 1 && w[0] == "all" {
		return s.running()
	}
	for _, id := range w {
		if s.processes[farm.BrokerID(id)] != nil {
			out = append(out, farm.BrokerID(id))
		}
	}
	return out
}

func (s *stage) doEach(verb string, w []string) {
	for _, id := range s.named(w) {
		switch verb {
		case "kill":
			s.kill(id)
		case "stop":
			s.end(id)
		case "restart":
			s.end(id)
			s.doStart([]string{string(id)})
		case "cut":
			s.cut(id, true)
		case "restore":
			s.cut(id, false)
		case "steady":
			s.steady(id)
		}
	}
}

func (s *stage) steady(id farm.BrokerID) {
	p := s.processes[id]
	p.path.set(func(p *wire) { p.slow, p.lose, p.late = 0, 0, 0 })
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.cut.IsZero() {
		p.whole = time.Now()
	}
}

func (s *stage) doPath(verb string, w []string) {
	for _, id := range s.named(w[:1]) {
		s.processes[id].path.set(func(p *wire) {
			switch verb {
			case "slow":
				p.slow = s.duration(w[1])
			case "lose":
				p.lose = s.count(w[1])
			case "hush":
				p.hush = s.count(w[1])
			case "late":
				p.late, p.after = s.count(w[1]), s.duration(w[2])
			}
		})
	}
}

func (s *stage) duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.fault("%v", err)
	}
	return d
}

func (s *stage) count(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		s.fault("%v", err)
	}
	return n
}

// doContact cuts or heals contact between groups, in both directions or in one;
// without groups everything is healed.
func (s *stage) doContact(verb, text string) {
	away := verb == "part" || verb == "mute"
	split := func(by string) (groups []ids) {
		for g := range strings.SplitSeq(text, by) {
			var group ids
			for _, id := range strings.Fields(g) {
				group = append(group, farm.BrokerID(id))
			}
			groups = append(groups, group)
		}
		return groups
	}
	switch {
	case text == "":
		s.net.mu.Lock()
		clear(s.net.cut)
		s.net.mu.Unlock()
	case strings.HasSuffix(verb, "mute"):
		g := split(">")
		for _, a := range g[0] {
			for _, b := range g[1] {
				s.net.one(a, b, away)
			}
		}
	default:
		groups := split("|")
		for i, g := range groups {
			for _, other := range groups[i+1:] {
				s.net.between(g, other, away)
			}
		}
	}
}

// operate is what the operator does, by the rules of the API.
func (s *stage) operate(verb string, w []string) error {
	return s.edit(func(p *farm.Picture) (store.Change, error) {
		switch {
		case p == nil:
			return store.Change{}, nil
		case verb == "set":
			return s.setSite(p, w), nil
		case verb == "add":
			return s.addProvider(p, w)
		}
		id := w[0]
		if b, ok := p.Brokers[farm.BrokerID(id)]; ok {
			return s.operateBroker(p, verb, w, b.Value)
		}
		if c, ok := p.Providers[farm.ProviderID(id)]; ok {
			return s.operateProvider(p, verb, w, c.Value)
		}
		return store.Change{}, nil
	})
}

func (s *stage) setSite(p *farm.Picture, settings []string) store.Change {
	v := p.Site.Value
	for _, one := range settings {
		key, value, _ := strings.Cut(one, "=")
		switch key {
		case "failback":
			v.Failback.Mode = farm.FailbackMode(value)
		case "holdDown":
			v.Failback.HoldDown = s.duration(value)
		case "tieBreaker":
			v.TieBreaker = farm.TieBreaker(value)
		case "failsafe":
			v.Failsafe = value == "on"
		case "maxParallelMoves":
			v.MaxParallelMoves = s.count(value)
		default:
			s.fault("unknown setting %q", key)
		}
	}
	return store.Change{PutSite: &v}
}

func preference(word string) farm.Preference {
	if word == "automatic" {
		return farm.Automatic
	}
	return farm.Manual(farm.BrokerID(word))
}

func (s *stage) addProvider(p *farm.Picture, w []string) (c store.Change, err error) {
	id := farm.ProviderID(w[0])
	if _, known := p.Providers[id]; known {
		return c, nil
	}
	var want farm.Preference
	if len(w) > 1 {
		want = preference(w[1])
	}
	chosen, _, err := farm.ChoosePreference(p, want)
	c.PutProvider = &farm.Provider{ID: id, Type: "pool", Username: string(id), Enabled: true, Preferred: chosen}
	return c, err
}

func (s *stage) operateBroker(p *farm.Picture, verb string, w []string, b farm.Broker) (c store.Change, err error) {
	switch verb {
	case "drain", "undrain":
		b.Draining = verb == "drain"
	case "enable", "disable":
		b.Enabled = verb == "enable"
	case "mode":
		b.Mode = farm.Mode(w[1])
	case "up":
		c.PutBrokers = farm.MoveUp(p, b.ID)
		return c, nil
	case "delete":
		c.DeleteBroker = b.ID
		return c, farm.CheckDeleteBroker(p, b.ID, false)
	default:
		s.fault("a broker cannot %q", verb)
	}
	c.PutBrokers = []farm.Broker{b}
	return c, farm.CheckBroker(p, b, slices.Contains(w, "anyway"))
}

func (s *stage) operateProvider(p *farm.Picture, verb string, w []string, v farm.Provider) (c store.Change, err error) {
	switch verb {
	case "enable", "disable":
		v.Enabled = verb == "enable"
	case "delete":
		c.DeleteProvider = v.ID
		return c, nil
	case "prefer":
		was := v.Preferred
		v.Preferred = preference(w[1])
		err = farm.CheckPreference(p, was, v.Preferred)
	case "move":
		v.MovedTo = farm.BrokerID(w[1])
		if err = farm.CheckMovable(p, v); err == nil {
			err = farm.CheckMove(p, v.MovedTo)
		}
	case "unpin":
		v.MovedTo = ""
	default:
		s.fault("a Provider cannot %q", verb)
	}
	c.PutProvider = &v
	return c, err
}

// heal ends all faults: everybody runs, reaches everything, and may serve.
func (s *stage) heal() {
	s.doContact("join", "")
	for _, id := range s.running() {
		s.steady(id)
		s.cut(id, false)
	}
	p := s.picture()
	for _, id := range sortedKeys(p.Providers) {
		s.plant.breaks(id, false)
	}
	for _, id := range sortedKeys(p.Brokers) {
		_ = s.operate("undrain", []string{string(id)})
		_ = s.operate("enable", []string{string(id)})
		s.doStart([]string{string(id)})
	}
}
