package providertest

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/provider"
)

func testConnect(t *testing.T, f Fixture) {
	t.Run("refuses a wrong secret", func(t *testing.T) {
		tr := start(t, f)
		if tr.WrongSecret == nil {
			t.Skip("the type has no secret")
		}
		tr.fails(*tr.WrongSecret, provider.ErrInvalidCredentials)
	})
	t.Run("refuses a certificate that is not trusted", func(t *testing.T) {
		tr := start(t, f)
		if tr.Untrusted == nil {
			t.Skip("the type has no certificates")
		}
		tr.fails(*tr.Untrusted, provider.ErrCertificateUntrusted)
	})
	t.Run("finds nobody listening", func(t *testing.T) {
		tr := start(t, f)
		if tr.At == nil {
			t.Skip("the type has no address")
		}
		l := listen(t)
		addr := l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		tr.fails(tr.At(addr), provider.ErrConnectionFailed)
	})
	t.Run("finds no such host", func(t *testing.T) {
		tr := start(t, f)
		if tr.At == nil {
			t.Skip("the type has no address")
		}
		tr.fails(tr.At("no-such-host.invalid:443"), provider.ErrConnectionFailed)
	})
	t.Run("gives up on a silent server within its context", func(t *testing.T) {
		tr := start(t, f)
		if tr.At == nil {
			t.Skip("the type has no address")
		}
		target := tr.At(silent(t))
		ctx, cancel := context.WithTimeout(tr.ctx, 100*time.Millisecond)
		defer cancel()
		quiet := tr.quiet()
		begin := time.Now()
		conn, err := f.Driver.Connect(ctx, target)
		if conn != nil {
			t.Fatal("connected to a silent server")
		}
		tr.refused(err, provider.ErrTimeout)
		if took := time.Since(begin); took > f.Within {
			t.Fatalf("took %s", took)
		}
		quiet()
	})
	t.Run("ends with its context", func(t *testing.T) {
		tr := start(t, f)
		ctx, cancel := context.WithCancel(tr.ctx)
		target := tr.Target
		if tr.At != nil {
			target = tr.At(silent(t))
			time.AfterFunc(20*time.Millisecond, cancel)
		} else {
			cancel()
		}
		defer cancel()
		conn, err := f.Driver.Connect(ctx, target)
		if conn != nil || !errors.Is(err, context.Canceled) {
			t.Fatalf("connect says %v, %v", conn, err)
		}
	})
	t.Run("outlives the context of the call", func(t *testing.T) {
		tr := start(t, f)
		ctx, cancel := context.WithCancel(tr.ctx)
		conn, err := f.Driver.Connect(ctx, tr.Target)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		tr.all(conn)
		if err := conn.Close(tr.ctx); err != nil {
			t.Fatal(err)
		}
	})
}

// fails checks that a connection to target fails for want, says so without the
// secret, and leaves no session.
func (t *trial) fails(target provider.Target, want error) {
	t.Helper()
	if faults := t.Driver.Check(target); len(faults) > 0 {
		t.Fatalf("check: %q", faults)
	}
	quiet := t.quiet()
	conn, err := t.Driver.Connect(t.ctx, target)
	if conn != nil {
		t.Fatal("connected")
	}
	t.refused(err, want)
	if target.Secret != "" && strings.Contains(err.Error(), target.Secret) {
		t.Fatalf("the secret is in the error: %v", err)
	}
	if t.Sessions != nil && t.Sessions() != 0 {
		t.Fatalf("%d sessions are left", t.Sessions())
	}
	quiet()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// silent is the address of a server that accepts connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l := listen(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var held []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			held = append(held, c)
		}
		for _, c := range held {
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}
