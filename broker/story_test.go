package broker

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/quorate/quorate/farm"
)

// line is one thing that happened on a stage.
type line struct {
	at    time.Duration
	order int // of those of the same instant: what is done comes first
	text  string
}

// seconds is a time as people read it.
func seconds(d time.Duration) string { return fmt.Sprintf("%.3fs", d.Seconds()) }

// tell notes what happens. Before the script begins nothing is told.
func (s *stage) tell(format string, args ...any) { s.note(1, format, args...) }

func (s *stage) note(order int, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.zero.IsZero() {
		s.lines = append(s.lines, line{time.Since(s.zero), order, fmt.Sprintf(format, args...)})
	}
}

// story is all that has been told, in order of time; what came at one instant is
// sorted.
func (s *stage) story() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortStableFunc(s.lines, func(a, b line) int {
		if a.order == 0 && b.order == 0 {
			return cmp.Compare(a.at, b.at)
		}
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order), strings.Compare(a.text, b.text))
	})
	var out []string
	var last time.Duration = -1
	for _, l := range s.lines {
		at := ""
		if l.at.Round(time.Millisecond) != last {
			last = l.at.Round(time.Millisecond)
			at = seconds(l.at)
		}
		out = append(out, strings.TrimRight(fmt.Sprintf("%9s  %s", at, l.text), " "))
	}
	return out
}

// tellChange tells how a Site has become another one by one write.
func (s *stage) tellChange(was, now *farm.Picture) {
	s.tellBrokers(was, now)
	s.tellVerdict(was.Seats.Value, now.Seats.Value)
	for _, id := range sortedKeys(was.Owners, now.Owners) {
		s.tellOwner(id, was.Owners[id].Value, now.Owners[id].Value)
	}
	for _, id := range sortedKeys(was.Reports, now.Reports) {
		a, b := was.Reports[id], now.Reports[id]
		if a.Epoch == b.Epoch && a.State == b.State && a.Reason == b.Reason || b.Epoch == 0 {
			continue
		}
		s.tell("%s@%d is %s%s", id, b.Epoch, b.State, because(b.Reason))
	}
}

func (s *stage) tellBrokers(was, now *farm.Picture) {
	for _, id := range sortedKeys(was.Presence, now.Presence) {
		a, b := was.Presence[id], now.Presence[id]
		switch {
		case a.Incarnation != b.Incarnation && b.Incarnation == 0:
			s.tell("%s is gone", id)
		case a.Incarnation != b.Incarnation:
			s.tell("%s is there", id)
		case b.Leaving && !a.Leaving:
			s.tell("%s is leaving", id)
		}
		for _, other := range sortedKeys(a.Unreached, b.Unreached) {
			switch {
			case b.Incarnation == 0 || a.Unreached[other] == b.Unreached[other]:
			case b.Unreached[other] != 0:
				s.tell("%s does not reach %s", id, other)
			case now.Alive(farm.Life{Broker: other, Incarnation: a.Unreached[other]}):
				s.tell("%s reaches %s again", id, other)
			}
		}
	}
	if a, b := was.Coordinator, now.Coordinator; a != b {
		s.tell("coordinator %s", cmpOr(b.Broker, "nobody"))
	}
}

func (s *stage) tellVerdict(a, b farm.Seats) {
	if a.State != b.State || a.Reason != b.Reason {
		s.tell("ha %s (%s)", b.State, b.Reason)
	}
	if x, y := occupants(a.Seats), occupants(b.Seats); x != y {
		s.tell("seats %s", y)
	}
	if !slices.Equal(a.Serving, b.Serving) {
		s.tell("serving %s", cmpOr(farm.BrokerID(words(b.Serving)), "nobody"))
	}
	held := func(v farm.Seats) (ids []farm.BrokerID) {
		for _, id := range slices.Sorted(maps.Keys(v.Returns)) {
			if r := v.Returns[id]; r.Held && r.Incarnation != 0 {
				ids = append(ids, id)
			}
		}
		return ids
	}
	if x, y := held(a), held(b); !slices.Equal(x, y) {
		s.tell("held %s", cmpOr(farm.BrokerID(words(y)), "nobody"))
	}
}

func (s *stage) tellOwner(id farm.ProviderID, a, b farm.Ownership) {
	switch {
	case a.Epoch != b.Epoch || a.Owner() != b.Owner():
		until := ""
		if b.Releasing != "" {
			until = fmt.Sprintf(" until %s stops", b.Releasing)
		}
		s.tell("%s %s -> %s@%d%s (%s)", id, cmpOr(a.Broker, "nobody"), cmpOr(b.Broker, "nobody"), b.Epoch, until, b.Reason)
	case a.Target != b.Target && b.Target != "":
		s.tell("%s %s@%d is to go to %s (%s)", id, b.Broker, b.Epoch, b.Target, b.TargetReason)
	case a.Target != b.Target:
		s.tell("%s %s@%d is to stay", id, b.Broker, b.Epoch)
	case a.Releasing != b.Releasing:
		s.tell("%s is let go by %s", id, a.Releasing)
	}
}

func because(r farm.Reason) string {
	if r == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", r)
}

func words[T ~string](ids []T) string {
	var w []string
	for _, id := range ids {
		w = append(w, string(id))
	}
	return strings.Join(w, " ")
}

func sortedKeys[K cmp.Ordered, V any](ms ...map[K]V) []K {
	all := map[K]bool{}
	for _, m := range ms {
		for k := range m {
			all[k] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// inTheEnd is how a Site stands, a line.
func inTheEnd(p *farm.Picture) string {
	parts := []string{fmt.Sprintf("ha %s", p.Seats.Value.State)}
	for _, id := range sortedKeys(p.Providers) {
		st := p.ProviderStatus(id)
		parts = append(parts, fmt.Sprintf("%s %s@%d %s%s", id, cmpOr(st.Owner, "nobody"), st.Epoch, st.State, because(st.Reason)))
	}
	return strings.Join(parts, " · ")
}
