package provider_test

import (
	"context"
	"errors"
	"net"
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
