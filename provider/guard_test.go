package provider_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/quorate/quorate/provider"
)

func TestAGuardedConnectionSendsNothingThatIsNotAllowed(t *testing.T) {
	here, there := net.Pipe()
	defer func() { _, _ = here.Close(), there.Close() }()
	var refused error
	ctx, cancel := context.WithCancel(t.Context())
	c := provider.GuardConn(provider.Guarded(ctx, func() error { return refused }), here)
	cancel() // of the call that dialled
	got := make(chan byte, 1)
	go func() {
		var b [1]byte
		if _, err := there.Read(b[:]); err == nil {
			got <- b[0]
		}
		close(got)
	}()
	if _, err := c.Write([]byte{7}); err != nil || <-got != 7 {
		t.Fatalf("an allowed write: %v", err)
	}
	refused = errors.New("not any more")
	if n, err := c.Write([]byte{8}); !errors.Is(err, refused) || n != 0 {
		t.Errorf("wrote %d: %v", n, err)
	}
}

// Who closes a connection while nothing is allowed any more resets it.
func TestWhatIsNotAllowedAnyMoreIsDropped(t *testing.T) {
	for _, allowed := range []bool{true, false} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		here, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		there, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		var refused error
		c := provider.GuardConn(provider.Guarded(t.Context(), func() error { return refused }), here)
		if !allowed {
			refused = errors.New("not any more")
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		_, err = there.Read(make([]byte, 1))
		if reset := errors.Is(err, syscall.ECONNRESET); reset == allowed {
			t.Errorf("allowed %v: %v", allowed, err)
		}
		_, _ = there.Close(), ln.Close()
	}
}
