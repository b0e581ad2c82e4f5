package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quorate/quorate/server"
)

// clients write and read registers all along, each at any server: the
// descriptions of the Site, its brokers and a Provider.
type clients struct {
	servers   []*api
	registers []string // paths
	next      atomic.Int64

	mu      sync.Mutex
	history []operation
}

// operation is one request and its answer.
type operation struct {
	client     int
	register   string
	kind       opKind
	wrote      string // unique
	expected   string // by a conditional write: the value that it replaced
	read       string
	begin, end int64
	unknown    bool // nobody knows whether it was done
}

type opKind int

const (
	opRead opKind = iota
	opWrite
	opReplace
)

const (
	pace    = 120 * time.Millisecond // of each client
	timeout = 2 * time.Second
)

func (c *clients) run(ctx context.Context, n int) error {
	var g errgroup.Group
	for i := range n {
		g.Go(func() error { c.client(ctx, i); return nil })
	}
	return g.Wait()
}

func (c *clients) client(ctx context.Context, me int) {
	seen := map[string]version{}
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		register := c.registers[rand.IntN(len(c.registers))]
		c.once(me, c.servers[rand.IntN(len(c.servers))], register, opKind(rand.IntN(3)), seen)
	}
}

// version is what a client knows of a register.
type version struct{ etag, value string }

func (c *clients) once(me int, at *api, register string, kind opKind, seen map[string]version) {
	known, ok := seen[register]
	if kind == opReplace && !ok {
		kind = opRead
	}
	op := operation{client: me, register: register, kind: kind}
	method, match := http.MethodGet, ""
	var body any
	if kind != opRead {
		op.wrote = fmt.Sprint("v", c.next.Add(1))
		method, body = http.MethodPatch, map[string]string{"description": op.wrote}
	}
	if kind == opReplace {
		op.expected, match = known.value, known.etag
	}
	// Its own end: what is under way when all ends is to be known too.
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	op.begin = server.Monotonic()
	got, err := at.do(ctx, method, register, match, body)
	op.end = server.Monotonic()
	switch {
	case err != nil || got.status >= 500:
		op.unknown = true
	case !got.ok(): // refused: nothing was done
		delete(seen, register)
		return
	default:
		var is struct {
			Description string `json:"description"`
		}
		if json.Unmarshal(got.body, &is) != nil {
			return
		}
		op.read = is.Description
		seen[register] = version{got.etag, is.Description}
	}
	if op.unknown && kind == opRead {
		return // it says nothing
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history = append(c.history, op)
}

// last reads every register once more.
func (c *clients) last(ctx context.Context) {
	for _, register := range c.registers {
		before := len(c.history)
		for i := 0; len(c.history) == before && ctx.Err() == nil; i++ {
			c.once(-1, c.servers[i%len(c.servers)], register, opRead, map[string]version{})
		}
	}
}
