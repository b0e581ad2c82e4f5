package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/mem"
)

// wire is one process's way to the memory. What it writes takes a moment, another
// one for each broker and each Provider, so that no two writes come at the same
// instant and the same story is told each time.
type wire struct {
	*mem.Store
	own time.Duration // the moment of its broker

	mu    sync.Mutex
	slow  time.Duration // more than that
	lose  int           // the answers to so many of its next writes are lost
	hush  int           // so are those to the next things it says of itself
	late  int           // so many of its next writes are stored later than it is told that they were not
	after time.Duration // so much later
}

func newWire(memory *mem.Store, id farm.BrokerID) *wire {
	return &wire{Store: memory.Another(), own: time.Duration(number(string(id))) * time.Millisecond}
}

// number is the one at the end of a name.
func number(name string) int {
	n, _ := strconv.Atoi(name[strings.LastIndexByte(name, '-')+1:])
	return n
}

func (p *wire) set(f func(*wire)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

// steady reports whether it does no more than take its moment.
func (p *wire) steady() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.slow == 0 && p.lose == 0 && p.late == 0
}

func (p *wire) travel(ctx context.Context, more time.Duration) error {
	if _, err := p.Current(ctx); err != nil { // waits while it is cut off
		return err
	}
	p.mu.Lock()
	d := p.own + p.slow + more
	p.mu.Unlock()
	if err := pause(ctx, d); err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return nil
}

// takes counts one of the next writes down.
func (p *wire) takes(left *int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if *left == 0 {
		return false
	}
	*left--
	return true
}

// tooLate marks a write that comes late.
type tooLate struct{}

// write carries a write to storage, and its answer back. One that may come late
// is not repeated by its writer before it knows better.
func (p *wire) write(ctx context.Context, more time.Duration, mayBeLate bool, do func(context.Context) error) error {
	if mayBeLate && p.takes(&p.late) {
		go func() {
			ctx, cancel := context.WithTimeout(context.WithValue(context.WithoutCancel(ctx), tooLate{}, true), p.after+time.Second)
			defer cancel()
			if pause(ctx, p.after) == nil {
				_ = do(ctx)
			}
		}()
		return fmt.Errorf("%w: not in time", store.ErrUnavailable)
	}
	if err := p.travel(ctx, more); err != nil {
		return err
	}
	err := do(ctx)
	if p.takes(&p.lose) {
		return fmt.Errorf("%w: the answer was lost", store.ErrUnavailable)
	}
	return err
}

func (p *wire) Register(ctx context.Context, site farm.SiteID, here farm.Presence, ttl time.Duration) (store.Session, error) {
	if err := p.travel(ctx, 0); err != nil {
		return nil, err
	}
	s, err := p.Store.Register(ctx, site, here, ttl)
	return &wireSession{s, p, here.Broker}, err
}

type wireSession struct {
	store.Session
	path *wire
	me   farm.BrokerID
}

func (s *wireSession) Renew(ctx context.Context) error {
	return s.path.write(ctx, 0, true, s.Session.Renew)
}

func (s *wireSession) Announce(ctx context.Context, p farm.Presence) error {
	err := s.path.write(ctx, 0, false, func(ctx context.Context) error { return s.Session.Announce(ctx, p) })
	if err == nil && s.path.takes(&s.path.hush) {
		return fmt.Errorf("%w: the answer was lost", store.ErrUnavailable)
	}
	return err
}

// each is a Provider's moment.
func each(id farm.ProviderID) time.Duration {
	return time.Duration(number(string(id))) * 50 * time.Microsecond
}

func (s *wireSession) Handover(ctx context.Context, id farm.ProviderID, was farm.Stored[farm.Ownership]) error {
	return s.path.write(ctx, each(id), true, func(ctx context.Context) error { return s.Session.Handover(ctx, id, was) })
}

func (s *wireSession) Release(ctx context.Context, id farm.ProviderID, was farm.Stored[farm.Ownership]) error {
	return s.path.write(ctx, each(id), true, func(ctx context.Context) error { return s.Session.Release(ctx, id, was) })
}

func (s *wireSession) Report(ctx context.Context, id farm.ProviderID, was farm.Stored[farm.Ownership], u store.Update) error {
	return s.path.write(ctx, each(id), true, func(ctx context.Context) error {
		// One that comes late while its writer is still the owner would overlap with
		// the next one, which the contract rules out.
		if now := s.path.Latest(); ctx.Value(tooLate{}) != nil && now.Sites[site].Owners[id].Revision == was.Revision {
			return nil
		}
		return s.Session.Report(ctx, id, was, u)
	})
}

// Campaign lets those that stand at the same instant come one after the other.
func (s *wireSession) Campaign(ctx context.Context) (store.Term, error) {
	for {
		view := s.path.Latest()
		if s.free(view) {
			if err := s.path.travel(ctx, 0); err != nil {
				return nil, err
			}
			if s.free(s.path.Latest()) {
				t, err := s.Session.Campaign(ctx)
				return &wireTerm{t, s.path}, err
			}
			continue
		}
		if _, err := s.path.Wait(ctx, view.Revision); err != nil {
			return nil, err
		}
	}
}

// free reports whether storage answers a campaign at once.
func (s *wireSession) free(v *store.View) bool {
	p := v.Sites[site]
	return s.Lost() || p == nil || p.Coordinator.Broker == "" || p.Coordinator.Broker == s.me
}

type wireTerm struct {
	store.Term
	path *wire
}

func (t *wireTerm) Apply(ctx context.Context, was farm.Stored[farm.Seats], seats *farm.Seats, events []farm.Event, ds []farm.Decision) error {
	return t.path.write(ctx, 0, true, func(ctx context.Context) error { return t.Term.Apply(ctx, was, seats, events, ds) })
}
