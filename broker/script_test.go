package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/farm"
)

// script is a Site and what happens to it.
type script struct {
	active, standby ids
	settings        []string
	providers       []string // vc-1=cb-1, vc-2=automatic
	fresh           bool     // it begins as soon as all are connected: the brokers have only just started
	loose           bool     // it may begin at another moment each time it is played
	commands        []command
	until           time.Duration
}

func (s script) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "active %s\n", words(s.active))
	if len(s.standby) > 0 {
		fmt.Fprintf(&b, "standby %s\n", words(s.standby))
	}
	if len(s.settings) > 0 {
		fmt.Fprintf(&b, "site   %s\n", strings.Join(s.settings, " "))
	}
	if s.fresh {
		fmt.Fprintln(&b, "fresh")
	}
	if len(s.providers) > 0 {
		fmt.Fprintf(&b, "has    %s\n", strings.Join(s.providers, " "))
	}
	for _, c := range s.commands {
		fmt.Fprintln(&b, c)
	}
	return b.String()
}

// play plays a script in a bubble of virtual time, until its end and that of all
// brokers, and returns what was told and what must never have been. meanwhile is
// done after the last command.
func (s script) play(t *testing.T, meanwhile func(*stage)) (story, faults []string) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		st := newStage(ctx)
		followed := make(chan struct{})
		go func() { defer close(followed); st.follow() }()
		s.prepare(st)
		st.mu.Lock()
		st.zero = time.Now()
		st.mu.Unlock()
		for _, c := range s.commands {
			st.sleepUntil(c.at)
			st.note(0, "· %s", c.text)
			if err := st.do(c.text); err != nil {
				st.note(0, "  refused: %v", err)
			}
		}
		st.sleepUntil(s.until)
		if meanwhile != nil {
			meanwhile(st)
		}
		synctest.Wait()
		story = append(st.story(), "      end  "+inTheEnd(st.picture()))
		for _, id := range st.running() {
			st.end(id)
		}
		began := time.Now()
		st.ended()
		if took := time.Since(began); took > DefaultConfig().StopTimeout+2*time.Second {
			st.fault("the brokers took %v to stop", took)
		}
		time.Sleep(5 * time.Second) // in which late writes come, and nobody is left to care
		cancel()
		<-followed
		faults = st.faults
	})
	return story, faults
}

func (s *stage) sleepUntil(at time.Duration) {
	if d := at - time.Since(s.zero); d > 0 {
		time.Sleep(d)
	}
}

// prepare brings a Site to where the script begins.
func (s script) prepare(st *stage) {
	for i, id := range slices.Concat(s.active, s.standby) {
		mode := farm.ModeActive
		if i >= len(s.active) {
			mode = farm.ModeStandby
		}
		st.start(id, mode)
		if !st.await(time.Minute, func(p *farm.Picture) bool { return p.Online(id) && p.Coordinator.Broker != "" }) {
			st.fault("broker %s did not start", id)
		}
	}
	_ = st.operate("set", s.settings)
	for _, one := range s.providers {
		id, preferred, _ := strings.Cut(one, "=")
		if err := st.operate("add", []string{id, preferred}); err != nil {
			st.fault("%v", err)
		}
	}
	if !st.await(time.Minute, st.connected) {
		st.fault("not connected in the beginning")
	}
	switch {
	case s.fresh:
		return
	case s.loose:
		time.Sleep(2 * farm.PromiseLasts)
		return
	}
	// Nobody's word of an earlier process counts then. However long that took, the
	// same story begins at the same moment, and nothing is due at the very instant
	// of a command.
	whole := time.Now().Truncate(20 * time.Second).Add(20*time.Second + 37333*time.Microsecond)
	time.Sleep(time.Until(whole))
}

// connected reports whether all that may be connected is, and no move is under way.
func (s *stage) connected(p *farm.Picture) bool {
	for id, c := range p.Providers {
		if c.Value.Enabled && p.ProviderStatus(id).State != farm.ProviderConnected || p.Owners[id].Value.Target != "" {
			return false
		}
	}
	return true
}

// A broker whose word of whom it does not reach was stored, though it heard that
// it was not, takes it back when it reaches them again.
func TestWhatMayHaveBeenSaidIsTakenBack(t *testing.T) {
	s := script{
		active: ids{"cb-1", "cb-2", "cb-3"},
		commands: []command{
			{time.Second, "part cb-1 | cb-3"},
			{time.Second, "hush cb-1 20"},
			{2600 * time.Millisecond, "join"},
		},
		until: 3 * time.Second,
	}
	story, faults := s.play(t, func(st *stage) {
		if !st.await(10*time.Second, func(p *farm.Picture) bool { return len(p.Cuts()) == 0 }) {
			st.fault("still cut")
		}
	})
	if len(faults) > 0 {
		t.Error(strings.Join(faults, "\n"), "\n", strings.Join(story, "\n"))
	}
}
