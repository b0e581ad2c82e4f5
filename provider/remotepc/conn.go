package remotepc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
)

// parallel is how many PCs are checked at once.
const parallel = 64

// conn checks all PCs once an interval, and only while Next is called.
type conn struct {
	pool pool
	life context.Context // ended by Close
	end  context.CancelFunc

	told []farm.HostState // by machine, as last returned; nil before that
	last time.Time        // when the last round began
}

var _ provider.Conn = (*conn)(nil)

func newConn(p pool) *conn {
	life, end := context.WithCancel(context.Background())
	return &conn{pool: p, life: life, end: end}
}

// Next implements provider.Conn.
func (c *conn) Next(ctx context.Context) (provider.Inventory, error) {
	call, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	for {
		if c.told != nil {
			pause(call, time.Until(c.last.Add(jitter(c.pool.interval))))
		}
		c.last = time.Now()
		states := c.round(call)
		switch {
		case c.life.Err() != nil:
			return provider.Inventory{}, fmt.Errorf("%w: it was closed", provider.ErrConnectionFailed)
		case provider.Allowed(ctx) != nil:
			return provider.Inventory{}, fmt.Errorf("check PCs: %w", provider.Allowed(ctx))
		}
		if n := c.news(states); n.Full || len(n.Hosts) > 0 {
			return n, nil
		}
	}
}

// round checks every PC once. What it returns is of no use if ctx has ended.
func (c *conn) round(ctx context.Context) []farm.HostState {
	states := make([]farm.HostState, len(c.pool.machines))
	free := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i, m := range c.pool.machines {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			states[i] = probe(ctx, m.target(), c.pool.timeout)
		})
	}
	wg.Wait()
	return states
}

func (c *conn) news(states []farm.HostState) provider.Inventory {
	n := provider.Inventory{Full: c.told == nil}
	for i, m := range c.pool.machines {
		if n.Full || c.told[i] != states[i] {
			n.Hosts = append(n.Hosts, farm.Host{
				ID: m.id, Name: m.name, State: states[i], Addresses: []string{m.address()},
			})
		}
	}
	c.told = states
	return n
}

// Close implements provider.Conn.
func (c *conn) Close(context.Context) error {
	c.end()
	return nil
}

// jitter spreads d by a tenth either way, so that pools do not march in step.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
