package farm_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
)

// TestCases tells every case of testdata/cases; see the README there.
func TestCases(t *testing.T) {
	stories, err := readCases("testdata/cases")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if err := tell(s); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Logf("%d cases", len(stories))
}

// telling is a story being told.
type telling struct {
	*world
	names map[string]bool // every broker and Provider ever named

	before     farm.State // of high availability, before the last plan
	wanted     map[farm.ProviderID]bool
	elided     bool // not everything that the plan decides is listed
	wantedHA   bool
	violation  *farm.Violation
	forbidden  bool // the violation was wanted
	why        string
	prediction *farm.Prediction
	stoppable  *farm.Stoppability
}

func tell(s story) error {
	t := &telling{world: newWorld(), names: map[string]bool{}}
	if err := t.setUp(s.site); err != nil {
		return err
	}
	if err := t.plan(); err != nil {
		return s.start.errorf("%w", err)
	}
	if s.steps[0].word != "want" {
		if err := t.nothingElse(); err != nil {
			return s.start.errorf("the Site is not at rest to begin with: %w", err)
		}
	}
	for i, l := range s.steps {
		if err := t.step(l); err != nil {
			return err
		}
		if l.word == "want" && (i+1 == len(s.steps) || s.steps[i+1].word != "want") {
			if err := t.nothingElse(); err != nil {
				return l.errorf("%w", err)
			}
		}
	}
	return nil
}

func (t *telling) step(l line) error {
	switch l.word {
	case "then":
		return t.happen(l)
	case "what-if":
		return t.whatIf(l)
	case "stoppable":
		return t.askStoppable(l)
	}
	for _, part := range l.parts() {
		if err := t.want(part); err != nil {
			return l.errorf("want %s: %w\n  planned:\n%s\n  now:\n%s", part, err, show(t.last), t.now())
		}
	}
	return nil
}

// plan decides once and stores the decisions.
func (t *telling) plan() error {
	t.forget()
	return t.decide()
}

func (t *telling) forget() {
	t.before = t.p.Seats.Value.State
	t.past, t.wanted = nil, map[farm.ProviderID]bool{}
	t.elided, t.wantedHA, t.violation, t.forbidden, t.why = false, false, nil, false, ""
	t.prediction, t.stoppable = nil, nil
}

// nothingElse makes sure that what was wanted is all that was decided.
func (t *telling) nothingElse() error {
	if t.violation != nil && !t.forbidden {
		return fmt.Errorf("the change is refused: %w", t.violation)
	}
	if t.prediction != nil || t.stoppable != nil || t.elided {
		return nil
	}
	for _, d := range t.last.Decisions {
		if !t.wanted[d.Provider] {
			return fmt.Errorf("it is decided as well: %s %s", d.Provider, record(d.Next))
		}
	}
	if now := t.p.Seats.Value; now.State != t.before && !t.wantedHA {
		return fmt.Errorf("high availability goes from %s to %s (%s) as well", t.before, now.State, now.Reason)
	}
	return nil
}

// now prints how the Site stands.
func (t *telling) now() string {
	var b strings.Builder
	v := t.p.Seats.Value
	fmt.Fprintf(&b, "  ha %s (%s) %q seats %v serving %v returns %v\n", v.State, v.Reason, v.Message, v.Seats, v.Serving, v.Returns)
	for _, id := range slices.Sorted(maps.Keys(t.p.Owners)) {
		fmt.Fprintf(&b, "  %s %s\n", id, record(t.p.Owners[id].Value))
	}
	return b.String()
}

func (t *telling) name(kind, id string) error {
	if !farm.ValidID(id) {
		return fmt.Errorf("%q is no name of a %s", id, kind)
	}
	t.names[id] = true
	return nil
}

// brokers and providers read names that must be known.
func (t *telling) brokers(s string) (all []farm.BrokerID, err error) {
	ids, err := names(s)
	for _, id := range ids {
		if _, ok := t.p.Brokers[farm.BrokerID(id)]; !ok {
			err = cmp.Or(err, fmt.Errorf("there is no broker %q", id))
		}
		all = append(all, farm.BrokerID(id))
	}
	return all, err
}

func (t *telling) providers(s string) (all []farm.ProviderID, err error) {
	ids, err := names(s)
	for _, id := range ids {
		_, exists := t.p.Providers[farm.ProviderID(id)]
		_, existed := t.p.Owners[farm.ProviderID(id)]
		if !exists && !existed {
			err = cmp.Or(err, fmt.Errorf("there is no Provider %q", id))
		}
		all = append(all, farm.ProviderID(id))
	}
	return all, err
}

// pairs reads "vc-1=cb-1 vc-2..vc-4=cb-2".
func pairs(s string, each func(id, value string) error) error {
	for _, f := range strings.Fields(s) {
		key, value, ok := strings.Cut(f, "=")
		ids, err := names(key)
		if err != nil || !ok {
			return fmt.Errorf("%q is not name=value", f)
		}
		for _, id := range ids {
			if err := each(id, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// How the Site is.

func (t *telling) setUp(site []line) error {
	said := map[string]bool{}
	each := func(words string, do func(word, rest string) error) error {
		for _, word := range strings.Fields(words) {
			for _, l := range site {
				if l.word != word {
					continue
				}
				said[word] = true
				if err := do(word, l.rest); err != nil {
					return l.errorf("%w", err)
				}
			}
		}
		return nil
	}
	if err := each("epochs site seats standby order offline providers owns disabled draining prefers pinned home hosts reports armed fresh", t.given); err != nil {
		return err
	}
	for id := range t.back {
		t.back[id] = 24 * time.Hour
	}
	if !said["fresh"] {
		// The verdict of before, when those who are there were all in contact.
		t.p.Seats.Value.Armed = said["armed"]
		bare := *t.p
		bare.Owners, bare.Providers = nil, nil
		s := t.situation()
		s.Picture = &bare
		if out := farm.Plan(s); out.Seats != nil {
			t.p.Seats = farm.Stored[farm.Seats]{Value: *out.Seats, Revision: t.rev()}
		}
	}
	if err := each("leaving held contact", t.given); err != nil {
		return err
	}
	for id, o := range t.p.Owners {
		t.putOwner(id, o.Value) // nothing has changed since
	}
	return nil
}

// given does what one line says of the Site.
func (t *telling) given(word, rest string) error {
	switch word {
	case "site":
		return t.settings(rest)
	case "armed", "fresh":
		if rest != "" {
			return fmt.Errorf("%q stands alone", word)
		}
		return nil
	case "epochs":
		_, err := fmt.Sscanf(rest, "above %d", &t.p.EpochFloor)
		return err
	case "seats", "standby":
		ids, err := names(rest)
		for _, id := range ids {
			b := farm.Broker{ID: farm.BrokerID(id), Mode: farm.ModeActive, Enabled: true, Priority: len(t.p.Brokers)}
			if word == "standby" {
				b.Mode = farm.ModeStandby
			}
			err = cmp.Or(err, t.name("broker", id))
			t.putBroker(b)
			t.online(b.ID)
		}
		return err
	case "providers":
		ids, err := names(rest)
		for _, id := range ids {
			err = cmp.Or(err, t.addProvider(id))
		}
		return err
	case "owns":
		return pairs(rest, t.owns)
	case "contact":
		return t.setContact(rest)
	case "prefers", "pinned", "home", "hosts", "reports":
		return pairs(rest, func(id, value string) error { return t.of(word, id, value) })
	}
	ids, err := names(rest)
	if err != nil {
		return err
	}
	for place, id := range ids {
		if c, ok := t.p.Providers[farm.ProviderID(id)]; ok && word == "disabled" {
			c.Value.Enabled = false
			t.putProvider(c.Value)
			continue
		}
		b, ok := t.p.Brokers[farm.BrokerID(id)]
		if !ok {
			return fmt.Errorf("there is no broker or Provider %q", id)
		}
		switch word {
		case "order":
			b.Value.Priority = place
			if len(ids) != len(t.p.Brokers) {
				return errors.New("the order must name every broker")
			}
		case "offline":
			t.dies(b.Value.ID)
		case "disabled":
			b.Value.Enabled = false
		case "draining":
			b.Value.Draining = true
		case "leaving":
			t.leaves(b.Value.ID)
		case "held":
			t.back[b.Value.ID] = 0
			v := &t.p.Seats.Value
			v.Returns = maps.Clone(v.Returns)
			if v.Returns == nil {
				v.Returns = map[farm.BrokerID]farm.Return{}
			}
			v.Returns[b.Value.ID] = farm.Return{Held: true, Incarnation: t.p.Presence[b.Value.ID].Incarnation}
		}
		t.putBroker(b.Value)
	}
	return nil
}

func (t *telling) addProvider(id string) error {
	t.putProvider(farm.Provider{ID: farm.ProviderID(id), Enabled: true, Preferred: farm.Automatic})
	return t.name("Provider", id)
}

var ownerAtEpoch = regexp.MustCompile(`^([a-z0-9-]+)(?:@(\d+))?(?:\(([a-z-]+)\))?$`)

func (t *telling) owns(id, value string) error {
	if err := t.addProvider(id); err != nil {
		return err
	}
	m := ownerAtEpoch.FindStringSubmatch(value)
	if m == nil {
		return fmt.Errorf("%q is no owner@epoch", value)
	}
	epoch, _ := strconv.Atoi(cmp.Or(m[2], "1"))
	o := farm.Ownership{
		Epoch: farm.Epoch(epoch), Reason: farm.Reason(cmp.Or(m[3], string(farm.ReasonInitial))),
		Message: "It was so before.", Since: t.world.now,
	}
	if m[1] != "nobody" {
		if _, err := t.brokers(m[1]); err != nil {
			return err
		}
		o.Broker = farm.BrokerID(m[1])
		o.Incarnation = max(1, t.p.Presence[o.Broker].Incarnation)
	}
	t.putOwner(farm.ProviderID(id), o)
	return nil
}

// of says something of one Provider.
func (t *telling) of(word, id, value string) error {
	pid := farm.ProviderID(id)
	c, ok := t.p.Providers[pid]
	if !ok {
		return fmt.Errorf("there is no Provider %q", id)
	}
	o := t.p.Owners[pid].Value
	if word == "prefers" || word == "pinned" || word == "home" {
		if _, err := t.brokers(value); err != nil {
			return err
		}
	}
	switch word {
	case "prefers":
		c.Value.Preferred = farm.Manual(farm.BrokerID(value))
		t.putProvider(c.Value)
	case "pinned":
		c.Value.MovedTo = farm.BrokerID(value)
		t.putProvider(c.Value)
	case "home":
		o.Home = farm.BrokerID(value)
		t.putOwner(pid, o)
	case "hosts":
		n, err := strconv.Atoi(value)
		if err != nil {
			return err
		}
		t.p.Hosts[pid] = map[farm.HostID]farm.Host{}
		for i := range n {
			h := farm.HostID(fmt.Sprintf("vm-%d", i+1))
			t.p.Hosts[pid][h] = farm.Host{ID: h, State: farm.HostOn}
		}
	case "reports":
		t.report(pid, farm.ConnectionState(value), "")
	}
	return nil
}

func (t *telling) report(id farm.ProviderID, state farm.ConnectionState, reason farm.Reason) {
	t.p.Reports[id] = farm.Report{Epoch: t.p.Owners[id].Value.Epoch, State: state, Reason: reason, Since: t.world.now}
}

func (t *telling) settings(s string) error {
	site := t.p.Site.Value
	err := pairs(s, func(key, value string) (err error) {
		switch key {
		case "failsafe":
			site.Failsafe = value == "on"
		case "tieBreaker":
			site.TieBreaker = farm.TieBreaker(value)
		case "failback":
			site.Failback.Mode = farm.FailbackMode(value)
		case "holdDown":
			site.Failback.HoldDown, err = time.ParseDuration(value)
		case "maxParallelMoves":
			site.MaxParallelMoves, err = strconv.Atoi(value)
		default:
			err = fmt.Errorf("a Site has no setting %q", key)
		}
		return err
	})
	t.p.Site.Value = site
	return err
}

func (t *telling) setContact(s string) error {
	all, err := groups(s)
	if err != nil {
		return err
	}
	for _, g := range all {
		for _, id := range g {
			if _, ok := t.p.Brokers[id]; !ok {
				return fmt.Errorf("there is no broker %q", id)
			}
		}
	}
	t.contact(all)
	return nil
}

// What happens.

type happening struct {
	says *regexp.Regexp
	do   func(t *telling, m []string) error
}

const (
	who   = `([a-z0-9][a-z0-9 ,.-]*?)`
	one   = `([a-z0-9-]+)`
	accOK = `(, accepting the loss)?`
)

func says(pattern string, do func(t *telling, m []string) error) happening {
	return happening{regexp.MustCompile("^" + pattern + "$"), do}
}

func brokersDo(pattern string, do func(t *telling, id farm.BrokerID) error) happening {
	return says(who+" "+pattern, func(t *telling, m []string) error {
		ids, err := t.brokers(m[1])
		for _, id := range ids {
			err = cmp.Or(err, do(t, id))
		}
		return err
	})
}

func mustBe(online bool, do func(t *telling, id farm.BrokerID)) func(t *telling, id farm.BrokerID) error {
	return func(t *telling, id farm.BrokerID) error {
		if t.p.Online(id) != online {
			return fmt.Errorf("%s: online is %v", id, !online)
		}
		do(t, id)
		return nil
	}
}

// edit changes a broker if the rules let the operator do it.
func edit(pattern string, change func(b *farm.Broker)) happening {
	return says("the operator "+pattern+accOK, func(t *telling, m []string) error {
		ids, err := t.brokers(m[1])
		if err != nil {
			return err
		}
		for _, id := range ids {
			b := t.p.Brokers[id].Value
			change(&b)
			if t.allowed(farm.CheckBroker(t.p, b, m[2] != "")) {
				t.putBroker(b)
			}
		}
		return nil
	})
}

// allowed notes a rule's refusal.
func (t *telling) allowed(err error) bool {
	if err != nil && !errors.As(err, &t.violation) {
		panic(err) // a rule refuses with a Violation
	}
	return err == nil
}

func configure(pattern string, change func(t *telling, c farm.Provider, m []string) (farm.Provider, error)) happening {
	return says("the operator "+pattern, func(t *telling, m []string) error {
		ids, err := t.providers(m[1])
		if err != nil {
			return err
		}
		for _, id := range ids {
			c := t.p.Providers[id]
			if c.Value.ID == "" {
				return fmt.Errorf("%s is deleted", id)
			}
			next, err := change(t, c.Value, m)
			if err != nil {
				return err
			}
			if t.violation == nil {
				t.putProvider(next)
			}
		}
		return nil
	})
}

func (t *telling) isProvider(s string) bool {
	_, err := t.providers(s)
	return err == nil
}

// happenings is everything that can happen, first match first.
var happenings = allHappenings()

func allHappenings() []happening {
	providerEnabled := func(to bool) func(t *telling, c farm.Provider, _ []string) (farm.Provider, error) {
		return func(_ *telling, c farm.Provider, _ []string) (farm.Provider, error) {
			c.Enabled = to
			return c, nil
		}
	}
	either := func(verb string, to bool) happening {
		broker := edit(verb+" "+who, func(b *farm.Broker) { b.Enabled = to })
		provider := configure(verb+" "+who, providerEnabled(to))
		return says("the operator "+verb+" "+who+accOK, func(t *telling, m []string) error {
			if t.isProvider(m[1]) {
				return provider.do(t, m)
			}
			return broker.do(t, m)
		})
	}
	return []happening{
		brokersDo("(?:dies|die)", mustBe(true, func(t *telling, id farm.BrokerID) { t.dies(id) })),
		brokersDo("(?:returns|return|comes online|come online)", mustBe(false, func(t *telling, id farm.BrokerID) { t.online(id) })),
		brokersDo("(?:restarts|restart)", mustBe(true, func(t *telling, id farm.BrokerID) { t.dies(id); t.online(id) })),
		brokersDo("(?:shuts|shut) down", mustBe(true, func(t *telling, id farm.BrokerID) { t.leaves(id) })),
		brokersDo("is elected", mustBe(true, func(t *telling, id farm.BrokerID) { t.elect(id) })),
		says(`([0-9hms]+) (?:passes|pass)`, func(t *telling, m []string) error {
			d, err := time.ParseDuration(m[1])
			t.pass(d)
			return err
		}),
		says(`contact (.+)`, func(t *telling, m []string) error { return t.setContact(m[1]) }),
		says(`everybody is in contact`, func(t *telling, _ []string) error { t.cuts = farm.Cuts{}; return nil }),
		says(`(\S+) and (\S+) lose contact`, func(t *telling, m []string) error {
			_, err := t.brokers(m[1] + " " + m[2])
			t.cuts = maps.Clone(t.cuts)
			t.cuts.Cut(farm.BrokerID(m[1]), farm.BrokerID(m[2]))
			return err
		}),
		says(`(\S+) (cannot reach|reaches|has not looked at) (\S+)`, func(t *telling, m []string) error {
			_, err := t.brokers(m[1])
			here := t.p.Presence[farm.BrokerID(m[1])]
			here.Paths = maps.Clone(here.Paths)
			if here.Paths == nil {
				here.Paths = map[farm.ProviderID]bool{}
			}
			here.Paths[farm.ProviderID(m[3])] = m[2] == "reaches"
			if m[2] == "has not looked at" {
				delete(here.Paths, farm.ProviderID(m[3]))
			}
			t.p.Presence[here.Broker] = here
			return err
		}),
		says(`nothing new happens`, func(*telling, []string) error { return nil }),

		edit("drains "+who, func(b *farm.Broker) { b.Draining = true }),
		edit("undrains "+who, func(b *farm.Broker) { b.Draining = false }),
		either("disables", false),
		either("enables", true),
		edit("makes "+who+" standby", func(b *farm.Broker) { b.Mode = farm.ModeStandby }),
		edit("makes "+who+" active", func(b *farm.Broker) { b.Mode = farm.ModeActive }),
		says("the operator deletes "+one+accOK, func(t *telling, m []string) error {
			if t.isProvider(m[1]) {
				delete(t.p.Providers, farm.ProviderID(m[1]))
				delete(t.p.Reports, farm.ProviderID(m[1]))
				return nil
			}
			id := farm.BrokerID(m[1])
			if _, err := t.brokers(m[1]); err != nil {
				return err
			}
			if t.allowed(farm.CheckDeleteBroker(t.p, id, m[2] != "")) {
				delete(t.p.Brokers, id)
			}
			return nil
		}),
		says("the operator adds broker "+one+"(?: as (active|standby))?", func(t *telling, m []string) error {
			b, err := farm.NewBroker(t.p, farm.Broker{ID: farm.BrokerID(m[1]), Enabled: true, Priority: -1, Mode: farm.Mode(m[2])})
			if err != nil {
				return err
			}
			t.putBroker(b)
			return t.name("broker", m[1])
		}),
		says("the operator adds Provider "+one+"(?: for "+one+"| as (automatic))?", func(t *telling, m []string) error {
			var wish farm.Preference
			switch {
			case m[2] != "":
				wish = farm.Manual(farm.BrokerID(m[2]))
			case m[3] != "":
				wish = farm.Automatic
			}
			chosen, why, err := farm.ChoosePreference(t.p, wish)
			t.why = why
			if t.allowed(err) {
				t.putProvider(farm.Provider{ID: farm.ProviderID(m[1]), Enabled: true, Preferred: chosen})
			}
			return t.name("Provider", m[1])
		}),
		configure("moves "+who+" to "+one, func(t *telling, c farm.Provider, m []string) (farm.Provider, error) {
			c.MovedTo = farm.BrokerID(m[2])
			t.allowed(farm.CheckMove(t.p, c.MovedTo))
			return c, nil
		}),
		configure("unpins "+who, func(_ *telling, c farm.Provider, _ []string) (farm.Provider, error) {
			c.MovedTo = ""
			return c, nil
		}),
		configure("sets "+who+" to automatic", func(t *telling, c farm.Provider, _ []string) (farm.Provider, error) {
			t.allowed(farm.CheckPreference(t.p, c.Preferred, farm.Automatic))
			c.Preferred = farm.Automatic
			return c, nil
		}),
		configure("sets "+who+" to "+one, func(t *telling, c farm.Provider, m []string) (farm.Provider, error) {
			next := farm.Manual(farm.BrokerID(m[2]))
			t.allowed(farm.CheckPreference(t.p, c.Preferred, next))
			c.Preferred = next
			return c, nil
		}),
		says("the operator sets (.+=.+)", func(t *telling, m []string) error { return t.settings(m[1]) }),
		says("the operator moves "+one+" (up|down)", func(t *telling, m []string) error {
			move := map[string]func(*farm.Picture, farm.BrokerID) []farm.Broker{"up": farm.MoveUp, "down": farm.MoveDown}[m[2]]
			for _, b := range move(t.p, farm.BrokerID(m[1])) {
				t.putBroker(b)
			}
			return nil
		}),

		says(who+" (?:is|are) handed over", func(t *telling, m []string) error {
			ids, err := t.providers(m[1])
			for _, id := range ids {
				err = cmp.Or(err, t.handOver(id))
			}
			return err
		}),
		says("every move completes", func(t *telling, _ []string) error {
			for _, id := range slices.Sorted(maps.Keys(t.p.Owners)) {
				if t.p.Owners[id].Value.Target != "" {
					if err := t.handOver(id); err != nil {
						return err
					}
				}
			}
			return nil
		}),
		brokersDo("(?:stops its agents|stop their agents)", func(t *telling, id farm.BrokerID) error {
			for _, pid := range slices.Sorted(maps.Keys(t.p.Owners)) {
				if t.p.Owners[pid].Value.Releasing == id {
					if err := t.release(pid); err != nil {
						return err
					}
				}
			}
			return nil
		}),
		says(who+" (connects|connect|is connecting|fails|fail)(?: \\((.+)\\))?", func(t *telling, m []string) error {
			ids, err := t.providers(m[1])
			state := farm.Connected
			switch {
			case strings.HasPrefix(m[2], "fail"):
				state = farm.Failed
			case strings.HasPrefix(m[2], "is"):
				state = farm.Connecting
			}
			for _, id := range ids {
				t.report(id, state, farm.Reason(m[3]))
			}
			return err
		}),
	}
}

func (t *telling) happen(l line) error {
	t.forget()
	settle := false
	for _, part := range l.parts() {
		if part == "all settles" {
			settle = true
			continue
		}
		i := slices.IndexFunc(happenings, func(h happening) bool { return h.says.MatchString(part) })
		if i < 0 {
			return l.errorf("nothing known happens in %q", part)
		}
		if err := happenings[i].do(t, happenings[i].says.FindStringSubmatch(part)); err != nil {
			return l.errorf("%s: %w", part, err)
		}
	}
	run := t.decide
	if settle {
		run = t.settle
	}
	if err := run(); err != nil {
		return l.errorf("%w", err)
	}
	t.elided = settle
	return nil
}

// What if.

var testBounds = farm.Timing{TTL: time.Second, Margin: 200 * time.Millisecond, Election: 500 * time.Millisecond}.Bounds()

func (t *telling) whatIf(l line) error {
	t.forget()
	var trial farm.Trial
	for _, part := range l.parts() {
		words, verb := part, ""
		if i := strings.LastIndex(part, " "); i >= 0 {
			words, verb = part[:i], part[i+1:]
		}
		var err error
		switch {
		case strings.HasPrefix(part, "contact "):
			trial.Partition, err = groups(strings.TrimPrefix(part, "contact "))
		case verb == "fails" || verb == "fail":
			err = ids(&trial.Fail, words)
		case verb == "returns" || verb == "return":
			err = ids(&trial.Restore, words)
		case verb == "stops" || verb == "stop":
			err = ids(&trial.Stop, words)
		case verb == "drains" || verb == "drain":
			var drained []farm.BrokerID
			drained, err = t.brokers(words)
			for _, id := range drained {
				b := t.p.Brokers[id].Value
				b.Draining = true
				trial.Brokers = append(trial.Brokers, b)
			}
		case strings.Contains(part, "="):
			stored := t.p.Site
			err = t.settings(part)
			tried := t.p.Site.Value
			trial.Site, t.p.Site = &tried, stored
		default:
			err = fmt.Errorf("nothing known is tried in %q", part)
		}
		if err != nil {
			return l.errorf("%s: %w", part, err)
		}
	}
	before := copyOf(t.p)
	predicted, err := t.p.Simulate(trial, testBounds)
	if !reflect.DeepEqual(before, copyOf(t.p)) {
		return l.errorf("simulating has changed the picture")
	}
	if t.allowed(err) {
		t.prediction = &predicted
	}
	return nil
}

func ids(to *[]farm.BrokerID, s string) error {
	all, err := names(s)
	for _, id := range all {
		*to = append(*to, farm.BrokerID(id))
	}
	return err
}

func (t *telling) askStoppable(l line) error {
	t.forget()
	s := t.p.Stoppable(farm.BrokerID(l.rest), testBounds)
	t.stoppable = &s
	return nil
}
