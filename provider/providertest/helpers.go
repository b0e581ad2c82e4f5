package providertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
)

// long is far more than anything here takes; it only bounds a test that fails.
const long = 30 * time.Second

// trial is one test's Provider. Nothing may be running when it is over.
type trial struct {
	*testing.T
	Fixture
	Peer
	ctx context.Context
}

func start(t *testing.T, f Fixture) *trial {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	ctx, cancel := context.WithTimeout(context.Background(), long)
	t.Cleanup(cancel)
	return &trial{T: t, Fixture: f, Peer: f.Start(t), ctx: ctx}
}

// quiet returns a check that nothing runs that did not run when it was made.
// It is for while the Provider still runs: its end would end much else.
func (t *trial) quiet() (check func()) {
	before := goleak.IgnoreCurrent()
	return func() {
		t.Helper()
		if err := goleak.Find(before); err != nil {
			t.Fatalf("something is still running: %v", err)
		}
	}
}

// connect returns a Conn that is closed when the test is over.
func (t *trial) connect() provider.Conn {
	t.Helper()
	c, err := t.Driver.Connect(t.ctx, t.Target)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), long)
		defer cancel()
		_ = c.Close(ctx)
	})
	return c
}

// all reads the whole inventory, which is the first that a Conn tells.
func (t *trial) all(c provider.Conn) map[farm.HostID]farm.Host {
	t.Helper()
	n, err := c.Next(t.ctx)
	if err != nil {
		t.Fatalf("first next: %v", err)
	}
	if !n.Full {
		t.Fatal("the first next is not full")
	}
	if len(n.Gone) != 0 {
		t.Fatalf("the first next says that %v are gone", n.Gone)
	}
	hosts := make(map[farm.HostID]farm.Host)
	for _, h := range n.Hosts {
		hosts[h.ID] = h
	}
	if len(hosts) != len(n.Hosts) {
		t.Fatalf("%d Hosts have %d ids", len(n.Hosts), len(hosts))
	}
	return hosts
}

// until reads changes until seen says that one of them is the one.
func (t *trial) until(c provider.Conn, what string, seen func(provider.Inventory) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, t.Within)
	defer cancel()
	for {
		n, err := c.Next(ctx)
		if err != nil {
			t.Fatalf("next, while waiting for %s: %v", what, err)
		}
		if n.Full {
			t.Fatalf("next, while waiting for %s, is full again", what)
		}
		if len(n.Hosts)+len(n.Gone) == 0 {
			t.Fatalf("next, while waiting for %s, has no news", what)
		}
		if seen(n) {
			return
		}
	}
}

// untilState reads changes until the Host has the state.
func (t *trial) untilState(c provider.Conn, id farm.HostID, state farm.HostState) {
	t.Helper()
	t.until(c, string(id)+" to be "+string(state), func(n provider.Inventory) bool {
		for _, h := range n.Hosts {
			if h.ID == id && h.State == state {
				return true
			}
		}
		return false
	})
}

// running calls Next in the background, and returns where its error comes out.
func (t *trial) running(ctx context.Context, c provider.Conn) <-chan error {
	out := make(chan error, 1)
	go func() {
		for {
			if _, err := c.Next(ctx); err != nil {
				out <- err
				return
			}
		}
	}()
	return out
}

// soon returns the error that comes out of ch, or fails.
func (t *trial) soon(ch <-chan error, what string) error {
	t.Helper()
	select {
	case err := <-ch:
		return err
	case <-time.After(t.Within):
		t.Fatalf("%s: nothing after %s", what, t.Within)
		return nil
	}
}

// refused checks that err is want, as an errors.Is and as nothing else.
func (t *trial) refused(err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
	for _, other := range kinds() {
		if other != want && errors.Is(err, other) {
			t.Fatalf("error %v is both %v and %v", err, want, other)
		}
	}
}

func kinds() []error {
	return []error{
		provider.ErrConnectionFailed, provider.ErrInvalidCredentials, provider.ErrCertificateUntrusted,
		provider.ErrUnsupportedVersion, provider.ErrTimeout, provider.ErrInvalidOptions,
	}
}
