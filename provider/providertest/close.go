package providertest

import (
	"testing"

	"github.com/quorate/quorate/provider"
)

func testClose(t *testing.T, f Fixture) {
	t.Run("logs out and frees everything", func(t *testing.T) {
		tr := start(t, f)
		quiet := tr.quiet()
		for range 3 {
			conn := tr.connect()
			tr.all(conn)
			if err := conn.Close(tr.ctx); err != nil {
				t.Fatal(err)
			}
		}
		tr.noSessions()
		quiet()
	})
	t.Run("may come before the first next", func(t *testing.T) {
		tr := start(t, f)
		if err := tr.connect().Close(tr.ctx); err != nil {
			t.Fatal(err)
		}
		tr.noSessions()
	})
	t.Run("ends a running next", func(t *testing.T) {
		tr := start(t, f)
		conn := tr.connect()
		tr.all(conn)
		result := tr.running(tr.ctx, conn)
		if err := conn.Close(tr.ctx); err != nil {
			t.Fatal(err)
		}
		tr.refused(tr.soon(result, "next"), provider.ErrConnectionFailed)
		tr.noSessions()
	})
	t.Run("does nothing when repeated", func(t *testing.T) {
		tr := start(t, f)
		conn := tr.connect()
		tr.all(conn)
		for range 3 {
			if err := conn.Close(tr.ctx); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := conn.Next(tr.ctx); err == nil {
			t.Fatal("next works after close")
		}
	})
	t.Run("comes back when the Provider has died", func(t *testing.T) {
		tr := start(t, f)
		if tr.Stop == nil {
			t.Skip("the type has no server")
		}
		conn := tr.connect()
		tr.all(conn)
		tr.Stop()
		if err := conn.Close(tr.ctx); err != nil {
			tr.refused(err, provider.ErrConnectionFailed)
		}
	})
}
