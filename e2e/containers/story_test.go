package containers

import (
	"context"
	"sync"

	"github.com/quorate/quorate/server/client"
)

// story is what happens during a test.
type story struct {
	mu     sync.Mutex
	events []client.Event
	stop   context.CancelFunc
	done   chan struct{}
}

// follow begins to write down what happens. It is over when the test is.
func follow(b *bench) *story {
	ctx, stop := context.WithCancel(b.ctx)
	s := &story{stop: stop, done: make(chan struct{})}
	api := b.cluster.api()
	go func() {
		defer close(s.done)
		defer api.Close()
		_ = api.Watch(ctx, site, func(_ client.State, events []client.Event) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, events...)
			return nil
		}) // it ends with ctx
	}()
	return s
}

// moves are the changes of owner so far.
func (s *story) moves() (moves []client.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Type == "provider.owner-changed" {
			moves = append(moves, e)
		}
	}
	return moves
}

// check ends the story, and fails the test if an epoch was given twice or ran
// backwards.
func (s *story) check(b *bench) {
	b.Helper()
	s.stop()
	<-s.done
	epochs := map[string]uint64{}
	for _, e := range s.moves() {
		if last := epochs[e.Subject]; last != 0 && e.Epoch != last+1 {
			b.Errorf("%s: epoch %d comes after %d", e.Subject, e.Epoch, last)
		}
		epochs[e.Subject] = e.Epoch
	}
	if b.Failed() {
		for _, e := range s.events {
			if e.Type == "config.changed" {
				continue
			}
			b.Logf("%s  %s", e.Time.Format("15:04:05.000"), e.Sentence())
		}
	}
}
