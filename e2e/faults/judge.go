package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/server"
)

// loud finds calls of brokers that should have been silent: that had no etcd for
// longer than their lease, or no majority for longer than that takes to be seen.
// Rounds of several faults say nothing about it.
func loud(all []done, calls []server.Call) (found []string, last map[string][]time.Duration) {
	last = map[string][]time.Duration{}
	for _, d := range all {
		begin := d.begin + int64(d.fault.bound)
		if !d.alone || len(d.fault.silent) == 0 || begin >= d.end {
			continue
		}
		var worst server.Call
		for _, c := range calls {
			if c.At >= d.begin && c.At <= d.end && slices.Contains(d.fault.silent, string(c.Broker)) {
				worst = c
			}
		}
		after := time.Duration(max(worst.At-d.begin, 0))
		last[d.Kind] = append(last[d.Kind], after)
		if after > d.fault.bound+d.fault.slack {
			found = append(found, fmt.Sprintf("fault %d, %s %s: %s made a call to %s %v after it began", d.Number, d.Kind, d.What, worst.Broker, worst.Provider, after))
		}
	}
	return found, last
}

// undisturbed are those of the late arrivals for which no fault of the round
// accounts: nothing was done to their sender between its last allowed call and
// their arrival.
func undisturbed(found []late, all []done) (left []late) {
	for _, l := range found {
		from := l.at - int64(l.since) - int64(time.Second)
		disturbed := slices.ContainsFunc(all, func(d done) bool {
			return slices.Contains(d.fault.brokers, l.broker) && !d.fault.clear && d.begin <= l.at && d.end+int64(time.Second) >= from
		})
		if !disturbed {
			left = append(left, l)
		}
	}
	return left
}

// verdict is the report of a run.
type verdict struct {
	Seed     uint64        `json:"seed"`
	Took     time.Duration `json:"tookNanoseconds"`
	Faults   []done        `json:"faults"`
	Calls    int           `json:"calls"`
	Overlaps []overlap     `json:"overlaps"`
	Arrivals int           `json:"arrivals"`
	Late     int           `json:"lateArrivals"` // sent in time, delivered after the next owner's first call
	Latest   time.Duration `json:"latestNanoseconds"`
	Lates    []string      `json:"lates"`
	Changes  int           `json:"ownerChanges"`
	Reports  int           `json:"agentsWrites"`
	Gaps     int           `json:"compactedUnseen"`

	Operations   int    `json:"operations"`
	Unknown      int    `json:"operationsUnknown"`
	Linearizable string `json:"linearizable"`

	Silences map[string][]time.Duration `json:"silencesNanoseconds"` // until the last call of who should be silent

	Takeovers map[string][]time.Duration `json:"takeoversNanoseconds"` // until a next owner's first call

	Goroutines map[string][2]int `json:"goroutines"` // at first and at last
	Wrong      []string          `json:"wrong"`
}

func (v *verdict) wrong(format string, args ...any) {
	v.Wrong = append(v.Wrong, fmt.Sprintf(format, args...))
}

// judge looks at what everybody has recorded.
func (v *verdict) judge(l *lab, history []operation) error {
	calls, err := readCalls(l.calls)
	if err != nil {
		return err
	}
	v.Calls, v.Overlaps = len(calls), overlaps(calls)
	for _, o := range v.Overlaps {
		v.wrong("OVERLAP at %s: %s (epoch %d) made a call %v after the first of %s (epoch %d)", o.Provider, o.Old.Broker, o.Old.Epoch, o.By, o.New.Broker, o.New.Epoch)
	}
	if v.Calls == 0 {
		v.wrong("no server has recorded a call")
	}
	v.Takeovers = takeovers(v.Faults, calls)
	arrivals := l.witness.all()
	found := lates(calls, arrivals)
	v.Arrivals, v.Late = len(arrivals), len(found)
	for _, one := range found {
		v.Latest = max(v.Latest, one.after)
		v.Lates = append(v.Lates, fmt.Sprintf("%s at %s %v after the next owner's first call, %v after its own last one", one.broker, one.provider, one.after, one.since))
	}
	for _, one := range undisturbed(found, v.Faults) {
		v.wrong("the witness heard %s at %s %v after its next owner's first call, and %v after its own last one", one.broker, one.provider, one.after, one.since)
	}

	l.eye.mu.Lock()
	v.Changes, v.Reports, v.Gaps = l.eye.changes, l.eye.reported, l.eye.gaps
	for _, f := range l.eye.faults {
		v.wrong("%s", f)
	}
	l.eye.mu.Unlock()

	v.Wrong = append(v.Wrong, l.complaints()...)
	said, last := loud(v.Faults, calls)
	v.Silences = last
	for _, s := range said {
		v.wrong("%s", s)
	}
	result, unknown := linearizable(history, time.Minute)
	v.Operations, v.Unknown, v.Linearizable = len(history), unknown, string(result)
	if result != porcupine.Ok {
		v.wrong("the clients' history is not linearizable: %s", result)
	}
	return nil
}

// stored counts what lies in etcd, by kind.
func (l *lab) stored(ctx context.Context) (map[string]int, error) {
	r, err := l.etcd.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return nil, err
	}
	count := map[string]int{}
	for _, kv := range r.Kvs {
		kind, _, _ := strings.Cut(strings.TrimPrefix(string(kv.Key), prefix), "/")
		count[kind]++
	}
	delete(count, "events") // they are bounded, and differ
	return count, nil
}

// leases is how many there are.
func (l *lab) leases(ctx context.Context) (int, error) {
	r, err := l.etcd.Leases(ctx)
	if err != nil {
		return 0, err
	}
	return len(r.Leases), nil
}

func (l *lab) goroutines(ctx context.Context) (map[string]int, error) {
	count := map[string]int{}
	for i, h := range l.hosts {
		n, err := l.apis[i].goroutines(ctx)
		if err != nil {
			return nil, err
		}
		count[h.id] = n
	}
	return count, nil
}

// rest waits until everybody is present and nothing moves, as at first.
func (l *lab) rest(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	err := l.eye.await(ctx, func() bool { return len(l.eye.presence) == len(l.hosts) && l.eye.seats.State == "on" })
	if err != nil {
		return fmt.Errorf("high availability never came on again: %w; presence %v, seats %+v", err, l.eye.presence, l.eye.seats)
	}
	return l.connected(ctx)
}

// leaks compares how it is at rest with how it was, then stops all servers and
// looks for what is left of them.
func (v *verdict) leaks(ctx context.Context, l *lab, keys map[string]int, routines map[string]int) error {
	var now map[string]int
	// What clients and faults have left in the servers ends with their timeouts.
	settled := func() bool {
		var err error
		now, err = l.goroutines(ctx)
		return err == nil && !slices.ContainsFunc(slices.Collect(maps.Keys(now)), func(id string) bool { return now[id] > most(routines[id]) })
	}
	for deadline := time.Now().Add(30 * time.Second); !settled() && time.Now().Before(deadline); {
		wait(ctx, time.Second)
	}
	v.Goroutines = map[string][2]int{}
	for id, n := range now {
		v.Goroutines[id] = [2]int{routines[id], n}
		if n > most(routines[id]) {
			v.wrong("%s has %d goroutines; it had %d", id, n, routines[id])
		}
	}
	if n, err := l.leases(ctx); err != nil || n != len(l.hosts) {
		v.wrong("%d leases for %d brokers (%v)", n, len(l.hosts), err)
	}
	if after, err := l.stored(ctx); err != nil || !maps.Equal(after, keys) {
		v.wrong("keys were %v and are %v (%v)", keys, after, err)
	}
	var children []int
	for _, h := range l.hosts {
		children = append(children, h.server())
		if err := h.stop(); err != nil {
			v.wrong("%v", err)
		}
	}
	for _, pid := range children {
		if pid != 0 && running(pid) {
			v.wrong("server %d still runs", pid)
		}
	}
	if n, err := l.leases(ctx); err != nil || n != 0 {
		v.wrong("%d leases without brokers (%v)", n, err)
	}
	after, err := l.stored(ctx)
	if err == nil && after["presence"]+after["coordinator"] != 0 {
		v.wrong("presence or coordinator keys without brokers: %v", after)
	}
	return err
}

// most is how many goroutines are not a leak: connections come and go.
func most(first int) int { return first + first/4 + 15 }
