package broker

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errSelfStop ends everything an agent does when its broker can no longer be
// sure of its presence.
var errSelfStop = errors.New("the lease may have ended")

// permit is the right to act, until a moment of the local monotonic clock. It
// ends by itself; whoever acts under it is told by its context, and checks
// holds before every single call, since after a pause of the process a call may
// come before the timer.
type permit struct {
	changed func() // called without the lock when the right begins or ends

	mu      sync.Mutex
	until   time.Time
	ctx     context.Context
	end     context.CancelCauseFunc
	timer   *time.Timer
	revoked bool
}

func newPermit(changed func()) *permit {
	p := &permit{changed: changed}
	p.ctx, p.end = context.WithCancelCause(context.Background())
	p.end(errSelfStop)
	return p
}

// extend lets the right last until a later moment; if it had ended, a new one
// begins.
func (p *permit) extend(until time.Time) {
	p.mu.Lock()
	if p.revoked || !until.After(p.until) || !until.After(time.Now()) {
		p.mu.Unlock()
		return
	}
	p.until = until
	began := p.ctx.Err() != nil
	if began {
		p.ctx, p.end = context.WithCancelCause(context.Background())
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	p.timer = time.AfterFunc(time.Until(until), p.expire)
	p.mu.Unlock()
	if began {
		p.changed()
	}
}

func (p *permit) expire() {
	p.mu.Lock()
	ended := !time.Now().Before(p.until) && p.ctx.Err() == nil
	if ended {
		p.end(errSelfStop)
	}
	p.mu.Unlock()
	if ended {
		p.changed()
	}
}

// revoke ends the right for good.
func (p *permit) revoke() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revoked = true
	p.until = time.Time{}
	p.end(errSelfStop)
	if p.timer != nil {
		p.timer.Stop()
	}
}

// holds reports whether a call may begin now.
func (p *permit) holds() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ctx.Err() == nil && time.Now().Before(p.until)
}

// check is holds as an error.
func (p *permit) check() error {
	if !p.holds() {
		return errSelfStop
	}
	return nil
}

// context ends when the right does.
func (p *permit) context() context.Context {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ctx
}
