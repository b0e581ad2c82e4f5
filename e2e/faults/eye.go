package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// What is stored, and a mark beside it that the laboratory writes.
const (
	prefix = "/quorate/"
	mark   = "/quorate-mark"
	both   = "/quorate"
)

// silence is longer than clients let pass without a write: a watch that says
// nothing is at a member that is away.
const silence = 2 * time.Second

// owner, seats and report are what of the stored records is judged.
type owner struct {
	Broker      string `json:"broker"`
	Incarnation int64  `json:"incarnation"`
	Epoch       uint64 `json:"epoch"`
	Target      string `json:"target"`
}

type seats struct {
	Armed bool   `json:"armed"`
	State string `json:"state"`
	Seats []struct {
		Broker string `json:"broker"`
	} `json:"seats"`
	Serving []string `json:"serving"`
}

type report struct {
	Epoch uint64 `json:"epoch"`
	State string `json:"state"`
}

// eye watches etcd, one revision after the other, and judges each on its own.
type eye struct {
	client *clientv3.Client

	mu       sync.Mutex
	changed  chan struct{} // closed, and made anew, with each change
	revision int64
	owners   map[string]owner
	reports  map[string]report
	presence map[string]int64 // create revision
	seats    seats

	faults  []string // against the rules
	changes int      // of owners
	gaps    int      // what was compacted before it was seen

	reported int // writes of agents
}

func newEye(c *clientv3.Client) *eye {
	return &eye{client: c, changed: make(chan struct{}), owners: map[string]owner{}, reports: map[string]report{}, presence: map[string]int64{}}
}

func (e *eye) run(ctx context.Context) error {
	for ctx.Err() == nil {
		e.watch(ctx)
		select {
		case <-time.After(50 * time.Millisecond): // a broken watch
		case <-ctx.Done():
		}
	}
	return nil
}

func (e *eye) watch(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e.mu.Lock()
	from := e.revision + 1
	e.mu.Unlock()
	if from == 1 {
		from = e.list(ctx)
	}
	news := e.client.Watch(clientv3.WithRequireLeader(ctx), both, clientv3.WithPrefix(), clientv3.WithRev(from))
	for {
		select {
		case r, ok := <-news:
			if err := r.Err(); !ok || err != nil {
				if errors.Is(err, rpctypes.ErrCompacted) {
					e.list(ctx)
				}
				return
			}
			e.take(r.Events, r.Header.Revision)
		case <-time.After(silence):
			return
		case <-ctx.Done():
			return
		}
	}
}

// list takes everything in as it is, without what was in between.
func (e *eye) list(ctx context.Context) int64 {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := e.client.Get(ctx, prefix, clientv3.WithPrefix())
	if err != nil {
		return 1
	}
	var events []*clientv3.Event
	for _, kv := range r.Kvs {
		events = append(events, &clientv3.Event{Type: clientv3.EventTypePut, Kv: kv})
	}
	e.mu.Lock()
	if e.revision != 0 {
		e.gaps++
	}
	clear(e.presence)
	e.mu.Unlock()
	e.see(events, r.Header.Revision, false)
	return r.Header.Revision + 1
}

// take sees each revision by itself.
func (e *eye) take(events []*clientv3.Event, revision int64) {
	for len(events) > 0 {
		at := events[0].Kv.ModRevision
		n := slices.IndexFunc(events, func(ev *clientv3.Event) bool { return ev.Kv.ModRevision != at })
		if n < 0 {
			n = len(events)
		}
		e.see(events[:n], at, true)
		events = events[n:]
	}
	e.see(nil, revision, true)
}

func (e *eye) see(events []*clientv3.Event, revision int64, exact bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.revision = max(e.revision, revision)
	var owned, told []*clientv3.Event
	for _, ev := range events {
		kind, name := split(string(ev.Kv.Key))
		switch kind {
		case "presence":
			delete(e.presence, name)
			if ev.Type == clientv3.EventTypePut {
				e.presence[name] = ev.Kv.CreateRevision
			}
		case "seats":
			e.seats = seats{}
			_ = json.Unmarshal(ev.Kv.Value, &e.seats)
		case "status":
			var r report
			_ = json.Unmarshal(ev.Kv.Value, &r)
			e.reports[name] = r
			told = append(told, ev)
		case "hosts":
			told = append(told, ev)
		case "owners":
			owned = append(owned, ev)
		}
	}
	for _, ev := range owned {
		_, name := split(string(ev.Kv.Key))
		var next owner
		_ = json.Unmarshal(ev.Kv.Value, &next)
		e.judge(name, e.owners[name], next, revision, exact)
		e.owners[name] = next
	}
	if exact {
		e.fenced(told, revision)
	}
	close(e.changed)
	e.changed = make(chan struct{})
}

// fenced holds what agents have written against the epoch that it was written in.
func (e *eye) fenced(told []*clientv3.Event, revision int64) {
	for _, ev := range told {
		if ev.Type != clientv3.EventTypePut {
			continue
		}
		e.reported++
		kind, name := split(string(ev.Kv.Key))
		var r report
		_ = json.Unmarshal(ev.Kv.Value, &r)
		if is := e.owners[name]; r.Epoch != is.Epoch || is.Broker == "" {
			e.faults = append(e.faults, fmt.Sprintf("revision %d, %s: an agent of epoch %d wrote its %s when it was %s's at epoch %d", revision, name, r.Epoch, kind, is.Broker, is.Epoch))
		}
	}
}

// judge holds a change of owner against the rules.
func (e *eye) judge(name string, was, is owner, revision int64, exact bool) {
	fault := func(format string, args ...any) {
		e.faults = append(e.faults, fmt.Sprintf("revision %d, %s: ", revision, name)+fmt.Sprintf(format, args...))
	}
	if is.Epoch < was.Epoch {
		fault("the epoch went from %d back to %d", was.Epoch, is.Epoch)
	}
	if was.Broker == is.Broker && was.Incarnation == is.Incarnation && was.Epoch == is.Epoch {
		return
	}
	e.changes++
	if !exact || was.Epoch == 0 {
		return
	}
	if is.Epoch != was.Epoch+1 {
		fault("%s/%d at epoch %d followed %s/%d at epoch %d", is.Broker, is.Incarnation, is.Epoch, was.Broker, was.Incarnation, was.Epoch)
	}
	switch {
	case is.Broker == "" || !e.seats.Armed:
	case e.seats.State == "lost" || 2*len(e.seats.Serving) <= len(e.seats.Seats):
		fault("%s became owner without a majority: %+v", is.Broker, e.seats)
	case !slices.Contains(e.seats.Serving, is.Broker):
		fault("%s became owner outside of the serving group: %+v", is.Broker, e.seats)
	case e.presence[is.Broker] != is.Incarnation:
		fault("%s/%d became owner and is not present", is.Broker, is.Incarnation)
	}
}

// split takes a key of the Site apart.
func split(key string) (kind, name string) {
	parts := strings.Split(strings.TrimPrefix(key, prefix), "/")
	switch len(parts) {
	case 2:
		return parts[0], ""
	case 3, 4: // a Host's name is of no interest
		return parts[0], parts[2]
	}
	return "", ""
}

// await waits until is, which is called under the lock.
func (e *eye) await(ctx context.Context, is func() bool) error {
	for {
		e.mu.Lock()
		ok, more := is(), e.changed
		e.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-more:
		case <-time.After(20 * time.Millisecond): // what is not in etcd tells nobody
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// current waits until it has seen everything that is stored by now.
func (e *eye) current(ctx context.Context) error {
	for {
		try, cancel := context.WithTimeout(ctx, time.Second)
		r, err := e.client.Put(try, mark, "")
		cancel()
		if err == nil {
			return e.await(ctx, func() bool { return e.revision >= r.Header.Revision })
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// connected reports whether a Provider is, by the records; the owner too.
func (e *eye) connected(provider string) (string, bool) {
	o := e.owners[provider]
	r := e.reports[provider]
	return o.Broker, o.Broker != "" && o.Target == "" && e.presence[o.Broker] == o.Incarnation && r.Epoch == o.Epoch && r.State == "connected"
}
