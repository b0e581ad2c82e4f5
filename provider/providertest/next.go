package providertest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
)

func testNext(t *testing.T, f Fixture) {
	t.Run("first tells everything", func(t *testing.T) {
		tr := start(t, f)
		hosts := tr.all(tr.connect())
		if len(hosts) == 0 {
			t.Fatal("there are no Hosts")
		}
		for id, h := range hosts {
			if id == "" || h.Name == "" || !known(h.State) {
				t.Errorf("Host is incomplete: %+v", h)
			}
			if h.Epoch != 0 || !h.AsOf.IsZero() {
				t.Errorf("Host has what is the caller's to set: %+v", h)
			}
		}
	})
	t.Run("then tells what changes", func(t *testing.T) {
		tr := start(t, f)
		conn := tr.connect()
		before := tr.all(conn)
		for range 3 {
			id, state := tr.Change()
			if before[id].ID == "" {
				t.Fatalf("the fixture changed %s, which is not there", id)
			}
			tr.untilState(conn, id, state)
		}
	})
	t.Run("asks before it calls", func(t *testing.T) {
		tr := start(t, f)
		conn := tr.connect()
		refused := errors.New("it is not allowed any more")
		ctx := provider.Guarded(tr.ctx, func() error { return refused })
		if n, err := conn.Next(ctx); !errors.Is(err, refused) {
			t.Errorf("next says %+v, %v", n, err)
		}
	})
	t.Run("has no news of a Provider where nothing happens", func(t *testing.T) {
		tr := start(t, f)
		conn := tr.connect()
		tr.all(conn)
		ctx, cancel := context.WithTimeout(tr.ctx, 500*time.Millisecond)
		defer cancel()
		if n, err := conn.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("next says %+v, %v", n, err)
		}
	})
	t.Run("misses nothing that happens between two calls", func(t *testing.T) {
		tr := start(t, f)
		conn := tr.connect()
		tr.all(conn)
		tr.Change()
		tr.Change()
		id, state := tr.Change()
		tr.untilState(conn, id, state)
	})
	t.Run("tells what is gone", func(t *testing.T) {
		tr := start(t, f)
		if tr.Remove == nil {
			t.Skip("the type's Hosts cannot be removed")
		}
		conn := tr.connect()
		before := tr.all(conn)
		id := tr.Remove()
		if before[id].ID == "" {
			t.Fatalf("the fixture removed %s, which is not there", id)
		}
		tr.until(conn, string(id)+" to be gone", func(n provider.Inventory) bool {
			return slices.Contains(n.Gone, id)
		})
	})
	t.Run("ends with its context", func(t *testing.T) {
		tr := start(t, f)
		conn := tr.connect()
		tr.all(conn)
		ctx, cancel := context.WithCancel(tr.ctx)
		defer cancel()
		result := tr.running(ctx, conn)
		cancel()
		if err := tr.soon(result, "the cancelled next"); !errors.Is(err, context.Canceled) {
			t.Fatalf("error is %v", err)
		}
		if err := conn.Close(tr.ctx); err != nil {
			t.Fatalf("close, after a cancelled next: %v", err)
		}
		tr.noSessions()
	})
	t.Run("notices that the Provider has died", func(t *testing.T) {
		tr := start(t, f)
		if tr.Stop == nil {
			t.Skip("the type has no server")
		}
		conn := tr.connect()
		tr.all(conn)
		result := tr.running(tr.ctx, conn)
		tr.Stop()
		tr.refused(tr.soon(result, "next"), provider.ErrConnectionFailed)
	})
	t.Run("two connections know nothing of each other", func(t *testing.T) {
		tr := start(t, f)
		one, two := tr.connect(), tr.connect()
		tr.all(one)
		tr.all(two)
		id, state := tr.Change()
		tr.untilState(one, id, state)
		tr.untilState(two, id, state)
		if err := one.Close(tr.ctx); err != nil {
			t.Fatal(err)
		}
		id, state = tr.Change()
		tr.untilState(two, id, state)
	})
}

func known(s farm.HostState) bool {
	switch s {
	case farm.HostOn, farm.HostOff, farm.HostSuspended, farm.HostStarting, farm.HostStopping, farm.HostUnknown:
		return true
	}
	return false
}

func (t *trial) noSessions() {
	t.Helper()
	if t.Sessions != nil && t.Sessions() != 0 {
		t.Fatalf("%d sessions are left", t.Sessions())
	}
}
