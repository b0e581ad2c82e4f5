package server

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// arrivalTimeout is how long a server that stops waits for the first request of
// those who have connected.
const arrivalTimeout = time.Second

// arrivals knows the connections from which no request has come yet. When it is
// told to stop, http.Server hangs up on them although they were accepted, and
// whoever had just sent a request cannot know whether it was carried out.
type arrivals struct {
	mu      sync.Mutex
	conns   map[net.Conn]bool
	changed chan struct{} // closed, and made anew, when one is gone
}

func newArrivals() *arrivals {
	return &arrivals{conns: map[net.Conn]bool{}, changed: make(chan struct{})}
}

// note is told of every change of a connection's state.
func (a *arrivals) note(c net.Conn, s http.ConnState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s == http.StateNew {
		a.conns[c] = true
		return
	}
	if a.conns[c] {
		delete(a.conns, c)
		close(a.changed)
		a.changed = make(chan struct{})
	}
}

// wait blocks until there is none, or has had the time.
func (a *arrivals) wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, arrivalTimeout)
	defer cancel()
	for {
		a.mu.Lock()
		left, changed := len(a.conns), a.changed
		a.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
