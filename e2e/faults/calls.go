package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/quorate/quorate/server"
)

// readCalls reads what the servers have recorded, in the order of time.
func readCalls(files []string) (calls []server.Call, err error) {
	for _, file := range files {
		f, err := os.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			var c server.Call
			if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
				return nil, errors.Join(fmt.Errorf("%s: %w: %q", file, err, lines.Text()), f.Close())
			}
			calls = append(calls, c)
		}
		if err := errors.Join(lines.Err(), f.Close()); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(calls, func(a, b server.Call) int { return cmp.Compare(a.At, b.At) })
	return calls, nil
}

// overlap is a call of an older epoch that was allowed after the first one of a
// newer epoch.
type overlap struct {
	Provider string        `json:"provider"`
	Old      server.Call   `json:"old"`
	New      server.Call   `json:"new"` // the newer epoch's first
	By       time.Duration `json:"byNanoseconds"`
}

// overlaps finds, for each epoch that overlaps with a newer one, its last call.
func overlaps(calls []server.Call) (found []overlap) {
	newest := map[string]server.Call{} // the newest epoch's first call, by Provider
	at := map[[2]any]int{}
	for _, c := range calls {
		p := string(c.Provider)
		first, known := newest[p]
		switch {
		case !known || c.Epoch > first.Epoch:
			newest[p] = c
		case c.Epoch < first.Epoch || c.Broker != first.Broker || c.Incarnation != first.Incarnation:
			o := overlap{p, c, first, time.Duration(c.At - first.At)}
			key := [2]any{p, c.Epoch}
			if i, again := at[key]; again {
				found[i] = o
				continue
			}
			at[key] = len(found)
			found = append(found, o)
		}
	}
	return found
}

// late is something that arrived at a Provider from a former owner, after the
// next one's first call.
type late struct {
	arrival
	after time.Duration // the next owner's first call
	since time.Duration // the former owner's last allowed call
}

// grace is what a busy machine may take from an allowed call to its arrival.
const grace = 50 * time.Millisecond

// lates holds what the witness saw against what the servers say they did.
func lates(calls []server.Call, arrivals []arrival) (found []late) {
	type seen struct {
		first, second server.Call            // of the newest epoch, and of the one before
		last          map[string]server.Call // by broker
	}
	state := map[string]*seen{}
	next := 0
	for _, a := range slices.SortedStableFunc(slices.Values(arrivals), func(a, b arrival) int { return cmp.Compare(a.at, b.at) }) {
		for ; next < len(calls) && calls[next].At <= a.at; next++ {
			c := calls[next]
			s := state[string(c.Provider)]
			if s == nil {
				s = &seen{first: c, last: map[string]server.Call{}}
				state[string(c.Provider)] = s
			}
			if c.Epoch > s.first.Epoch {
				s.second, s.first = s.first, c
			}
			s.last[string(c.Broker)] = c
		}
		s := state[a.provider]
		if s == nil || a.broker == "" || string(s.first.Broker) == a.broker {
			continue
		}
		if after := time.Duration(a.at - s.first.At); after > grace {
			found = append(found, late{a, after, time.Duration(a.at - s.last[a.broker].At)})
		}
	}
	return found
}
