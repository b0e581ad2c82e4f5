package broker

import (
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
)

// clockedCalls counts what was allowed, and lets something happen whenever it is
// asked for the time.
type clockedCalls struct {
	meanwhile func()
	told      []Call
}

func (c *clockedCalls) Now() int64     { c.meanwhile(); return 42 }
func (c *clockedCalls) Allowed(l Call) { c.told = append(c.told, l) }

// A call is recorded if it was allowed, with a time before that: who is paused in
// between makes no call.
func TestOnlyAllowedCallsAreRecorded(t *testing.T) {
	calls := &clockedCalls{meanwhile: func() {}}
	l := &life{Config: Config{Calls: calls}, me: farm.Life{Broker: "cb-1", Incarnation: 3}, permit: newPermit(func() {})}
	a := &agent{life: l, id: "vc-1", epoch: 7}
	if a.allowed() == nil || len(calls.told) != 0 {
		t.Errorf("allowed without a permit, or recorded: %v", calls.told)
	}
	l.permit.extend(time.Now().Add(time.Hour))
	if err := a.allowed(); err != nil {
		t.Fatal(err)
	}
	if want := (Call{Life: l.me, Provider: "vc-1", Epoch: 7, At: 42}); len(calls.told) != 1 || calls.told[0] != want {
		t.Errorf("%+v", calls.told)
	}
	calls.meanwhile = l.permit.revoke
	if a.allowed() == nil || len(calls.told) != 1 {
		t.Errorf("allowed although its permit ended in between, or recorded: %v", calls.told)
	}
}
