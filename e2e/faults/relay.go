package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate/quorate/server"
)

// witness stands before the Providers and notes who sends them something, and
// when. It knows nothing of epochs, and nobody's word but the network's.
type witness struct {
	brokers map[string]string // by address

	mu       sync.Mutex
	arrivals []arrival
	last     map[string]map[string]int64 // when, by Provider and broker
	delays   map[string]*atomic.Int64    // nanoseconds, by broker
}

// arrival is something that has arrived at a Provider.
type arrival struct {
	provider, broker string
	at               int64
}

func newWitness() *witness {
	return &witness{brokers: map[string]string{}, last: map[string]map[string]int64{}, delays: map[string]*atomic.Int64{}}
}

func (w *witness) knows(broker, address string) {
	w.brokers[address] = broker
	w.delays[broker] = &atomic.Int64{}
}

func (w *witness) note(provider, broker string) {
	at := server.Monotonic()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrivals = append(w.arrivals, arrival{provider, broker, at})
	if w.last[provider] == nil {
		w.last[provider] = map[string]int64{}
	}
	w.last[provider][broker] = at
}

// heard returns when a broker was last heard at a Provider.
func (w *witness) heard(provider, broker string) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last[provider][broker]
}

func (w *witness) all() []arrival {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.arrivals
}

// relay passes on what comes to an address of the Providers' machine. Of a pool a
// connection is a call already; a vCenter may be reached by who does not own it,
// as long as nothing is said.
func (w *witness) relay(ctx context.Context, at *node, provider string, pool bool, listen, to string) error {
	var l net.Listener
	err := inside(at.ns, func() (err error) {
		l, err = new(net.ListenConfig).Listen(ctx, "tcp", listen)
		return err
	})
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.pass(ctx, at, provider, pool, c, to)
		}
	}()
	return nil
}

func (w *witness) pass(ctx context.Context, at *node, provider string, pool bool, in net.Conn, to string) {
	host, _, _ := net.SplitHostPort(in.RemoteAddr().String())
	broker := w.brokers[host]
	if pool {
		w.note(provider, broker)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.wait(ctx, broker)
	out, err := dialer(at.ns)(ctx, "tcp", to)
	if err != nil {
		_ = in.Close()
		return
	}
	stop := context.AfterFunc(ctx, func() { _, _ = in.Close(), out.Close() })
	defer stop()
	var both sync.WaitGroup
	both.Go(func() {
		defer func() { _, _ = in.Close(), out.Close() }()
		_, _ = io.Copy(out, noting{in, w, provider, broker, ctx})
	})
	both.Go(func() {
		defer func() { _, _ = in.Close(), out.Close() }()
		_, _ = io.Copy(in, out)
	})
	both.Wait()
}

// flicker is a PC that is switched on and off all the time, so that there is
// always something to report of its pool.
func (w *witness) flicker(ctx context.Context, at *node, provider, listen string) {
	for ctx.Err() == nil {
		on, cancel := context.WithTimeout(ctx, 100*time.Millisecond+rand.N(500*time.Millisecond))
		_ = inside(at.ns, func() error {
			l, err := new(net.ListenConfig).Listen(on, "tcp", listen)
			if err != nil {
				return err
			}
			context.AfterFunc(on, func() { _ = l.Close() })
			go w.hangUp(l, provider)
			return nil
		})
		<-on.Done()
		cancel()
		wait(ctx, 100*time.Millisecond+rand.N(500*time.Millisecond))
	}
}

func (w *witness) hangUp(l net.Listener, provider string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		w.note(provider, w.brokers[host])
		_ = c.Close()
	}
}

// noting notes what is read from it.
type noting struct {
	net.Conn
	w                *witness
	provider, broker string
	ctx              context.Context
}

func (n noting) Read(b []byte) (int, error) {
	got, err := n.Conn.Read(b)
	if got > 0 {
		n.w.note(n.provider, n.broker)
		n.w.wait(n.ctx, n.broker)
	}
	return got, err
}

func (w *witness) delay(broker string, d time.Duration) { w.delays[broker].Store(int64(d)) }

func (w *witness) wait(ctx context.Context, broker string) {
	d := w.delays[broker]
	if d == nil || d.Load() == 0 {
		return
	}
	timer := time.NewTimer(time.Duration(d.Load()))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
