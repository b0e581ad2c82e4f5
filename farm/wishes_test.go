package farm_test

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/quorate/quorate/farm"
)

// wish is one thing that a case can want.
type wish struct {
	says  *regexp.Regexp
	check func(t *telling, w wanted) error
}

// wanted is what is wanted: the words, and the reason and the text after them.
type wanted struct {
	m      []string
	reason farm.Reason
	text   string
}

// wishes is everything that can be wanted, first match first.
var wishes = allWishes()

var afterwards = regexp.MustCompile(`^(.*?)(?: \(([a-z-]+)\))?(?: ?"(.*)")?$`)

func (t *telling) want(part string) error {
	m := afterwards.FindStringSubmatch(part)
	for _, w := range wishes {
		if words := w.says.FindStringSubmatch(m[1]); words != nil {
			return w.check(t, wanted{words, farm.Reason(m[2]), m[3]})
		}
	}
	return errors.New("nothing known is wanted")
}

// because checks the reason and the text that go with what was wanted.
func (w wanted) because(reason farm.Reason, message string) error {
	if w.reason != "" && w.reason != reason {
		return fmt.Errorf("the reason is %q", reason)
	}
	if !strings.Contains(message, w.text) {
		return fmt.Errorf("it says %q", message)
	}
	return nil
}

func differ(what string, got, want any) error {
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		return fmt.Errorf("%s: %s", what, g)
	}
	return nil
}

func allWishes() []wish {
	can := func(pattern string, check func(t *telling, w wanted) error) wish {
		return wish{regexp.MustCompile("^" + pattern + "$"), check}
	}
	return []wish{
		can("ha (on|off|degraded|lost)", wantHA),
		can("serving (.+)", func(t *telling, w wanted) error {
			want, err := t.group(w.m[1])
			return errors.Join(err, differ("serving", t.p.Seats.Value.Serving, want))
		}),
		can("seats (.+)", wantSeats),
		can("held (.+)", func(t *telling, w wanted) error {
			want, err := t.group(w.m[1])
			var held []farm.BrokerID
			for id, r := range t.p.Seats.Value.Returns {
				if r.Held {
					held = append(held, id)
				}
			}
			slices.Sort(held)
			return errors.Join(err, differ("held", held, want))
		}),
		can("remembers (.+)", func(t *telling, w wanted) error {
			want, err := t.group(w.m[1])
			return errors.Join(err, differ("remembers", slices.Sorted(maps.Keys(t.p.Seats.Value.Returns)), want))
		}),
		can("wakes in (.+)", func(t *telling, w wanted) error { return differ("wakes in", t.last.Wake, w.m[1]) }),
		can("nothing", func(t *telling, _ wanted) error {
			if len(t.worth) > 0 || t.p.Seats.Value.State != t.before {
				return errors.New("something is decided")
			}
			return nil
		}),
		can(`…`, func(t *telling, _ wanted) error { t.elided = true; return nil }),

		// Decisions and refusals.
		can(who+" stays?", wantStay),
		can(who+" not refused", func(t *telling, w wanted) error {
			ids, err := t.providers(w.m[1])
			for _, id := range ids {
				if refused(t.last, id) {
					return fmt.Errorf("%s is refused", id)
				}
			}
			return err
		}),
		can(who+" refused(?: "+one+")?", wantRefused),
		can("moves ([0-9]+)", func(t *telling, w wanted) error {
			n := 0
			for _, o := range t.p.Owners {
				if o.Value.Target != "" {
					n++
				}
			}
			t.elided = true
			return differ("moves", n, w.m[1])
		}),
		can("counts (.+)", wantCounts),

		// What the API answers.
		can("forbidden "+one, func(t *telling, w wanted) error {
			if t.violation == nil {
				return errors.New("it is allowed")
			}
			t.forbidden = true
			said := t.violation.Detail + " " + strings.Join(t.violation.Effects, " ")
			return errors.Join(w.because("", said), differ("forbidden", t.violation.Code, w.m[1]))
		}),
		can(one+" prefers "+one, func(t *telling, w wanted) error {
			c, ok := t.p.Providers[farm.ProviderID(w.m[1])]
			if !ok {
				return errors.New("there is no such Provider")
			}
			got := string(c.Value.Preferred.Broker)
			if c.Value.Preferred.Mode == farm.PreferenceAutomatic {
				got = "automatic"
			}
			return errors.Join(w.because("", t.why), differ("prefers", got, w.m[2]))
		}),
		can("order (.+)", func(t *telling, w wanted) error {
			want, err := t.brokers(w.m[1])
			var order []farm.BrokerID
			for _, b := range t.p.InOrder() {
				order = append(order, b.ID)
			}
			return errors.Join(err, differ("order", order, want))
		}),

		// Statuses.
		can(who+" (?:is|are) ([a-z]+)", wantStatus),
		can(who+" not honored", func(t *telling, w wanted) error { return wantPreference(t, w, false) }),
		can(who+" honored", func(t *telling, w wanted) error { return wantPreference(t, w, true) }),
		can("home (.+)", func(t *telling, w wanted) error {
			return pairs(w.m[1], func(id, home string) error {
				return differ("home of "+id, t.p.ProviderStatus(farm.ProviderID(id)).Home, home)
			})
		}),
		can("available ([0-9]+) of ([0-9]+) hosts of "+one, func(t *telling, w wanted) error {
			st := t.p.ProviderStatus(farm.ProviderID(w.m[3]))
			return errors.Join(differ("available", st.Available, w.m[1]), differ("hosts", st.Hosts, w.m[2]))
		}),
		can("warning "+one, func(t *telling, w wanted) error {
			for _, got := range t.p.SiteStatus().Warnings {
				if got.Code == w.m[1] {
					return w.because("", got.Message)
				}
			}
			return fmt.Errorf("the warnings are %v", t.p.SiteStatus().Warnings)
		}),
		can("no warnings?", func(t *telling, _ wanted) error {
			return differ("warnings", t.p.SiteStatus().Warnings, []farm.Warning(nil))
		}),
		can(`event ([a-z.-]+) `+one, wantEvent),
		can(`no event ([a-z.-]+)`, func(t *telling, w wanted) error {
			for _, e := range t.past {
				if string(e.Type) == w.m[1] {
					return fmt.Errorf("there is one: %+v", e)
				}
			}
			return nil
		}),

		// What if.
		can("hosts ([0-9]+)", func(t *telling, w wanted) error {
			if t.prediction == nil {
				return errors.New("nothing is tried")
			}
			return differ("hosts", t.prediction.HostsAffected, w.m[1])
		}),
		can("outage (.+)", func(t *telling, w wanted) error {
			if t.prediction == nil {
				return errors.New("nothing is tried")
			}
			got := t.prediction.LongestOutage.String()
			if t.prediction.Unbounded {
				got = "unbounded"
			}
			return differ("outage", got, w.m[1])
		}),
		can("(yes|no)", func(t *telling, w wanted) error {
			if t.stoppable == nil {
				return errors.New("nothing is asked")
			}
			said := strings.Join(append(t.stoppable.Reasons, t.stoppable.Effects...), " ")
			return errors.Join(w.because("", said), differ("stoppable", t.stoppable.Stoppable, w.m[1] == "yes"))
		}),
		can("effects? ([0-9]+)", func(t *telling, w wanted) error {
			if t.stoppable == nil {
				return errors.New("nothing is asked")
			}
			return errors.Join(w.because("", strings.Join(t.stoppable.Effects, " ")), differ("effects", len(t.stoppable.Effects), w.m[1]))
		}),

		// Last, because it has no word of its own.
		can(who+" ([a-z0-9-]+?)(?:@([0-9]+))?(?: -> "+one+")?(?: until "+one+" stops)?", wantOwner),
	}
}

// group reads brokers, or nobody.
func (t *telling) group(s string) ([]farm.BrokerID, error) {
	if s == "nobody" {
		return nil, nil
	}
	return t.brokers(s)
}

func wantHA(t *telling, w wanted) error {
	t.wantedHA = true
	v := t.p.Seats.Value
	ha := farm.HighAvailability{State: v.State, Reason: v.Reason, Message: v.Message}
	if t.prediction != nil {
		ha = t.prediction.HighAvailability
	} else if st := t.p.SiteStatus().HighAvailability; st.State != v.State {
		return fmt.Errorf("the Site says it is %s", st.State)
	}
	return errors.Join(differ("ha", ha.State, w.m[1]), w.because(ha.Reason, ha.Message))
}

// wantSeats reads "cb-1 cb-2=cb-4 cb-3=nobody": all seats in order and who
// sits on them.
func wantSeats(t *telling, w wanted) error {
	var want []farm.Seat
	for _, f := range strings.Fields(w.m[1]) {
		broker, occupant, given := strings.Cut(f, "=")
		if !given {
			occupant = broker
		}
		if occupant == "nobody" {
			occupant = ""
		}
		want = append(want, farm.Seat{Broker: farm.BrokerID(broker), Occupant: farm.BrokerID(occupant)})
	}
	got := t.p.Seats.Value.Seats
	if t.prediction != nil {
		got = t.prediction.HighAvailability.Seats
	}
	return differ("seats", got, want)
}

func wantStay(t *telling, w wanted) error {
	ids, err := t.providers(w.m[1])
	if err != nil {
		return err
	}
	for _, id := range ids {
		if t.prediction != nil {
			if p := t.predicted(id); p.Before != p.After || p.Reason != "" {
				return fmt.Errorf("%s goes from %q to %q (%s)", id, p.Before, p.After, p.Reason)
			}
			continue
		}
		for _, d := range t.worth {
			if d.Provider == id {
				return fmt.Errorf("decided: %s %s", id, record(d.Next))
			}
		}
	}
	return nil
}

func (t *telling) predicted(id farm.ProviderID) farm.PredictedProvider {
	for _, p := range t.prediction.Providers {
		if p.Provider == id {
			return p
		}
	}
	return farm.PredictedProvider{}
}

func wantRefused(t *telling, w wanted) error {
	ids, err := t.providers(w.m[1])
	if err != nil {
		return err
	}
	for _, id := range ids {
		i := slices.IndexFunc(t.last.Refusals, func(r farm.Refusal) bool { return r.Provider == id })
		if i < 0 {
			return fmt.Errorf("%s is not refused", id)
		}
		r := t.last.Refusals[i]
		if err := errors.Join(differ("wanted", r.Wanted, w.m[2]), w.because(r.Reason, r.Message)); err != nil {
			return err
		}
	}
	return nil
}

func wantCounts(t *telling, w wanted) error {
	t.elided = true
	have := map[string]int{}
	for _, o := range t.p.Owners {
		if o.Value.Broker != "" {
			have[string(o.Value.Broker)]++
		}
	}
	want := map[string]int{}
	if err := pairs(w.m[1], func(id, n string) error {
		var err error
		want[id], err = strconv.Atoi(n)
		if want[id] == 0 {
			delete(want, id)
		}
		return err
	}); err != nil {
		return err
	}
	return differ("counts", have, want)
}

// wantStatus reads "vc-1 is connected", "cb-4 is activated", "cb-1 is offline".
func wantStatus(t *telling, w wanted) error {
	if t.isProvider(w.m[1]) {
		ids, _ := t.providers(w.m[1])
		for _, id := range ids {
			st := t.p.ProviderStatus(id)
			if err := errors.Join(differ(string(id), st.State, w.m[2]), w.because(st.Reason, st.Message)); err != nil {
				return err
			}
		}
		return nil
	}
	ids, err := t.brokers(w.m[1])
	if err != nil {
		return err
	}
	for _, id := range ids {
		st := t.p.BrokerStatus(id)
		switch w.m[2] {
		case "online", "offline", "disabled":
			err = differ(string(id), st.State, w.m[2])
		default:
			err = differ(string(id), st.Role, w.m[2])
		}
		if err := errors.Join(err, w.because(st.Reason, st.Message)); err != nil {
			return err
		}
	}
	return nil
}

func wantPreference(t *telling, w wanted, honored bool) error {
	ids, err := t.providers(w.m[1])
	if err != nil {
		return err
	}
	for _, id := range ids {
		st := t.p.ProviderStatus(id).Preference
		if err := errors.Join(differ("honored", st.Honored, honored), w.because(st.Reason, st.Message)); err != nil {
			return err
		}
		if !honored && (st.Reason == "" || !sentence(st.Message)) {
			return fmt.Errorf("it does not say why not: %+v", st)
		}
	}
	return nil
}

func wantEvent(t *telling, w wanted) error {
	subject := w.m[2]
	switch {
	case t.isProvider(subject):
		subject = farm.ProviderSubject(farm.ProviderID(subject))
	case subject != farm.SiteSubject:
		subject = farm.BrokerSubject(farm.BrokerID(subject))
	}
	err := errors.New("there are no events")
	for _, e := range t.past {
		if string(e.Type) != w.m[1] || e.Subject != subject {
			err = fmt.Errorf("the events are %+v", t.past)
			continue
		}
		if err = w.because(e.Reason, e.Message); err == nil {
			return nil
		}
	}
	return err
}

// wantOwner reads "vc-1 cb-2@4", "vc-1 nobody@5 until cb-1 stops" and
// "vc-1 cb-1@4 -> cb-2".
func wantOwner(t *telling, w wanted) error {
	ids, err := t.providers(w.m[1])
	if err != nil {
		return err
	}
	broker, epoch, target, releasing := w.m[2], w.m[3], w.m[4], w.m[5]
	if broker == "nobody" {
		broker = ""
	}
	for _, named := range []string{broker, target, releasing} {
		if named != "" && !t.names[named] {
			return fmt.Errorf("nobody is called %q", named)
		}
	}
	for _, id := range ids {
		if t.prediction != nil {
			p := t.predicted(id)
			if err := errors.Join(differ(string(id), p.After, broker), w.because(p.Reason, p.Message)); err != nil {
				return err
			}
			continue
		}
		t.wanted[id] = true
		o := t.p.Owners[id].Value
		reason, message := o.Reason, o.Message
		if target != "" {
			reason, message = o.TargetReason, o.TargetMessage
		}
		if epoch != "" {
			err = differ("epoch", o.Epoch, epoch)
		}
		if err := errors.Join(err,
			differ("owner", o.Broker, broker), differ("on its way to", o.Target, target),
			differ("released by", o.Releasing, releasing), w.because(reason, message),
		); err != nil {
			return err
		}
	}
	return nil
}
