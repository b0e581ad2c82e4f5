package vsphere_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/quorate/quorate/provider"
	"github.com/quorate/quorate/provider/vsphere"
	"github.com/quorate/quorate/provider/vsphere/vspheresim"
)

// A network that falls silent resets nothing: only the missing answer tells.
func TestASilentNetworkIsNoticed(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as a driver waits for an answer")
	}
	t.Parallel()
	sim := start(t, vspheresim.Config{})
	r := relay(t, "127.0.0.1:0", sim)
	target := trusting(sim)
	target.Address = "https://" + r.addr() + "/sdk"
	conn, err := vsphere.Driver{}.Connect(t.Context(), target)
	must(t, err)
	next(t, conn)

	r.silence()
	defer r.speak()
	begin := time.Now()
	_, err = conn.Next(t.Context())
	if !errors.Is(err, provider.ErrTimeout) {
		t.Fatalf("error is %v", err)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Fatalf("took %s", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin = time.Now()
	if err := conn.Close(ctx); !errors.Is(err, provider.ErrTimeout) {
		t.Fatalf("close says %v", err)
	}
	if took := time.Since(begin); took > time.Second {
		t.Fatalf("close took %s", took)
	}
}

// Close does not need the server's help to end a running Next.
func TestCloseEndsNextOnASilentNetwork(t *testing.T) {
	sim := start(t, vspheresim.Config{})
	r := relay(t, "127.0.0.1:0", sim)
	target := trusting(sim)
	target.Address = "https://" + r.addr() + "/sdk"
	conn, err := vsphere.Driver{}.Connect(t.Context(), target)
	must(t, err)
	next(t, conn)
	r.silence()
	defer r.speak()
	result := make(chan error, 1)
	go func() {
		_, err := conn.Next(t.Context())
		result <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := conn.Close(ctx); !errors.Is(err, provider.ErrTimeout) {
		t.Fatalf("close says %v", err)
	}
	select {
	case err := <-result:
		if !errors.Is(err, provider.ErrConnectionFailed) {
			t.Fatalf("next says %v", err)
		}
	case <-time.After(time.Second):
		t.Fatal("next is still running")
	}
}

// An idle vCenter answers that nothing has changed; that is no news and no end.
func TestAnIdleProviderIsNotSilent(t *testing.T) {
	if testing.Short() {
		t.Skip("takes longer than one wait")
	}
	t.Parallel()
	sim := start(t, vspheresim.Config{})
	conn := connect(t, trusting(sim))
	next(t, conn)
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	if n, err := conn.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("next says %+v, %v", n, err)
	}
}
