// Package model checks the protocol of package broker on every state that a
// small Farm can come into. README.md says what that shows and what it does not.
// Nothing of it is in the program.
package model

import (
	"fmt"
	"strings"
)

// machine is what is searched. A state is a plain value, as small as can be.
type machine[S comparable] interface {
	// start is the state that everything begins in.
	start() S
	// steps gives every step that can be taken.
	steps(s S, take func(step, S))
	// wrong says what must never be; empty: nothing is wrong.
	wrong(s S) string
	// served reports whether somebody serves the Provider.
	served(s S) bool
	// tell says a state in a line.
	tell(s S) string
}

// step is one thing that happens.
type step struct {
	what  string
	by    int8   // a broker, or nobody
	to    int8   // another one, or nobody
	fault bool   // it need not happen: a fault, or somebody's wish
	wrong string // what must not be about the step itself
}

const nobody = -1

func (s step) String() string {
	var b strings.Builder
	if s.by != nobody {
		b.WriteString(name(s.by) + " ")
	}
	b.WriteString(s.what)
	if s.to != nobody {
		b.WriteString(" " + name(s.to))
	}
	return b.String()
}

func name(b int8) string {
	if b == nobody {
		return "-"
	}
	return string('A' + rune(b))
}

// found is what a search comes to.
type found struct {
	states, steps int
	fault         string   // what is wrong; empty: nothing
	trace         []string // how it comes to that
}

func (f found) String() string {
	if f.fault == "" {
		return fmt.Sprintf("%d states, %d steps: nothing is wrong", f.states, f.steps)
	}
	return fmt.Sprintf("%s, after %d steps:\n  %s", f.fault, len(f.trace)-1, strings.Join(f.trace, "\n  "))
}

// search looks at every state that can be reached, the nearest first, so that what
// it finds wrong has the shortest trace. Then it looks for states from which nobody
// comes to serve any more, though no fault happens and nobody wishes anything.
func search[S comparable](m machine[S]) found {
	x := &explorer[S]{m: m, at: map[S]int32{}}
	x.meet(m.start(), 0)
	for i := 0; i < len(x.states); i++ {
		if fault := x.expand(int32(i)); fault != "" {
			return found{states: len(x.states), steps: x.taken, fault: fault, trace: x.trace}
		}
	}
	f := found{states: len(x.states), steps: x.taken}
	if stuck := x.stuck(); stuck >= 0 {
		f.fault, f.trace = "nobody can come to serve any more", x.way(stuck)
	}
	return f
}

type explorer[S comparable] struct {
	m      machine[S]
	at     map[S]int32 // where in states
	states []S
	from   []int32 // through which state it was first reached
	taken  int
	trace  []string
	// Steps that are no faults, those of a state one after the other: of state i
	// they end at ends[i].
	calm []int32
	ends []int32
}

// meet returns where a state is, and whether it is new.
func (x *explorer[S]) meet(s S, from int32) (int32, bool) {
	if i, known := x.at[s]; known {
		return i, false
	}
	i := int32(len(x.states))
	x.at[s] = i
	x.states = append(x.states, s)
	x.from = append(x.from, from)
	return i, true
}

// expand takes every step from a state and says what is wrong.
func (x *explorer[S]) expand(i int32) (fault string) {
	s := x.states[i]
	x.m.steps(s, func(how step, next S) {
		if fault != "" || next == s {
			return
		}
		x.taken++
		j, fresh := x.meet(next, i)
		if !how.fault {
			x.calm = append(x.calm, j)
		}
		switch {
		case how.wrong != "":
			fault = how.wrong
			x.trace = append(x.way(i), x.line(how, next))
		case fresh:
			if fault = x.m.wrong(next); fault != "" {
				x.trace = x.way(j)
			}
		}
	})
	x.ends = append(x.ends, int32(len(x.calm)))
	return fault
}

// way tells how a state is reached.
func (x *explorer[S]) way(to int32) []string {
	var path []int32
	for i := to; i != 0; i = x.from[i] {
		path = append(path, i)
	}
	lines := []string{fmt.Sprintf("%-58s %s", "", x.m.tell(x.states[0]))}
	at := int32(0)
	for i := len(path) - 1; i >= 0; i-- {
		next, told := x.states[path[i]], false
		x.m.steps(x.states[at], func(how step, s S) {
			if s == next && !told {
				told = true
				lines = append(lines, x.line(how, s))
			}
		})
		at = path[i]
	}
	return lines
}

func (x *explorer[S]) line(how step, s S) string {
	return fmt.Sprintf("%-58s %s", how, x.m.tell(s))
}

// stuck returns the nearest state from which no steps but faults lead to one in
// which somebody serves; -1: there is none.
func (x *explorer[S]) stuck() int32 {
	// Backwards from the states that are served.
	count := make([]int32, len(x.states)+1)
	for _, j := range x.calm {
		count[j+1]++
	}
	for i := 1; i < len(count); i++ {
		count[i] += count[i-1]
	}
	back, next := make([]int32, len(x.calm)), append([]int32(nil), count...)
	for i, at := 0, int32(0); i < len(x.states); i++ {
		for ; at < x.ends[i]; at++ {
			j := x.calm[at]
			back[next[j]] = int32(i)
			next[j]++
		}
	}
	good := make([]bool, len(x.states))
	var queue []int32
	for i, s := range x.states {
		if x.m.served(s) {
			good[i] = true
			queue = append(queue, int32(i))
		}
	}
	for len(queue) > 0 {
		j := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, i := range back[count[j]:count[j+1]] {
			if !good[i] {
				good[i] = true
				queue = append(queue, i)
			}
		}
	}
	for i, ok := range good {
		if !ok {
			return int32(i)
		}
	}
	return -1
}
