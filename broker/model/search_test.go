package model

import (
	"strings"
	"testing"
)

// finds searches all that can be reached. Under the race detector it does not:
// `make model` does.
func finds[S comparable](t *testing.T, m machine[S], want string) found {
	t.Helper()
	if raced {
		t.Skip("searched without the race detector, by make model")
	}
	f := search(m)
	t.Log(f)
	if f.fault != want {
		t.Errorf("found %q, want %q", f.fault, want)
	}
	return f
}

// stairs are states 0 to 4. From 3 only a fault leads back to 1, where somebody
// serves.
type stairs struct{ forbidden int }

func (stairs) start() int        { return 0 }
func (stairs) served(s int) bool { return s == 1 }
func (stairs) tell(s int) string { return string(rune('0' + s)) }

func (m stairs) wrong(s int) string {
	if s == m.forbidden {
		return "forbidden"
	}
	return ""
}

func (stairs) steps(s int, take func(step, int)) {
	switch s {
	case 0, 1:
		take(step{what: "goes up", by: 0, to: nobody}, s+1)
	case 2:
		take(step{what: "goes back", by: 0, to: nobody}, 1)
		take(step{what: "falls", by: 0, to: nobody, fault: true}, 3)
	case 3:
		take(step{what: "is helped", by: 0, to: nobody, fault: true}, 1)
	}
}

func TestASearchFindsWhatIsForbiddenAndHowItComesToThat(t *testing.T) {
	f := search(stairs{forbidden: 2})
	if f.fault != "forbidden" || len(f.trace) != 3 || !strings.HasPrefix(f.trace[2], "A goes up") {
		t.Errorf("%s", f)
	}
}

func TestASearchFindsWhereOnlyAFaultWouldHelp(t *testing.T) {
	f := search(stairs{forbidden: 9})
	if f.states != 4 || f.fault != "nobody can come to serve any more" || len(f.trace) != 4 {
		t.Errorf("%s", f)
	}
}

// A small search is made under the race detector too.
func TestASmallFarm(t *testing.T) {
	if f := search(failsafe{word: 2, margin: 1, faults: 2, orders: 1, electors: ab}); f.fault != "" {
		t.Error(f)
	}
}
