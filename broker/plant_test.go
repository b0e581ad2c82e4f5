package broker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
)

// plant is the Providers of a stage. It knows who acts for which, from the moment
// somebody is connected until he has let go, and what storage says at each call.
type plant struct {
	now   func() *farm.Picture
	tell  func(format string, args ...any)
	fault func(format string, args ...any)

	mu      sync.Mutex
	acting  map[farm.ProviderID]*link
	broken  map[farm.ProviderID]bool
	changed chan struct{}
	calls   []call // the newest ones
}

// call is one request that a Provider has got.
type call struct {
	at       time.Time
	by       farm.BrokerID
	provider farm.ProviderID
	owner    farm.BrokerID // as storage says at that moment
	epoch    farm.Epoch
}

func (c call) String() string {
	return fmt.Sprintf("%s calls %s, which is %s@%d", c.by, c.provider, cmpOr(c.owner, "nobody"), c.epoch)
}

const callsKept = 50

func newPlant() *plant {
	return &plant{acting: map[farm.ProviderID]*link{}, broken: map[farm.ProviderID]bool{}, changed: make(chan struct{})}
}

// arm is a process's driver. A dead one's moves nothing any more.
type arm struct {
	plant *plant
	by    *process
}

func (a arm) Type() provider.Type                   { return provider.Type{ID: "pool"} }
func (a arm) Check(provider.Target) provider.Faults { return nil }

// Connect logs in.
func (a arm) Connect(ctx context.Context, t provider.Target) (provider.Conn, error) {
	l := &link{arm: a, id: farm.ProviderID(t.Username), closed: make(chan struct{})}
	if err := l.request(ctx, true); err != nil {
		return nil, err
	}
	return l, nil
}

// link is a connection to one Provider.
type link struct {
	arm
	id     farm.ProviderID
	full   bool
	once   sync.Once
	closed chan struct{}
}

// request is one call. Who calls must be the owner, or asked to let go and not
// yet have said that it has.
func (l *link) request(ctx context.Context, login bool) error {
	if l.by.dead.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if err := provider.Allowed(ctx); err != nil {
		return err
	}
	p := l.plant
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.owner(l.id)
	c := call{time.Now(), l.by.id, l.id, o.Broker, o.Epoch}
	if p.calls = append(p.calls, c); len(p.calls) > callsKept {
		p.calls = slices.Delete(p.calls, 0, 1)
	}
	if o.Broker != "" && o.Broker != l.by.id && o.Releasing != l.by.id {
		p.fault("%s", c) // of who calls what is nobody's the inspector knows whether it may
	}
	if other := p.acting[l.id]; other != nil && other != l {
		p.fault("%s, while %s is connected to it", c, other.by.id)
	}
	if p.broken[l.id] {
		return fmt.Errorf("%w: broken", provider.ErrConnectionFailed)
	}
	if login {
		p.acting[l.id] = l
		p.tell("%s acts for %s", l.by.id, l.id)
	}
	return nil
}

func (p *plant) owner(id farm.ProviderID) (o farm.Ownership) {
	if now := p.now(); now != nil {
		o = now.Owners[id].Value
	}
	return o
}

// keepAliveEvery is how often a connection calls without any news.
const keepAliveEvery = 2 * time.Second

func (l *link) Next(ctx context.Context) (provider.Inventory, error) {
	for {
		l.plant.mu.Lock()
		changed := l.plant.changed
		l.plant.mu.Unlock()
		if err := l.request(ctx, false); err != nil {
			return provider.Inventory{}, err
		}
		if !l.full {
			l.full = true
			return provider.Inventory{Full: true, Hosts: []farm.Host{{ID: "vm-1", Name: "desktop-1", State: farm.HostOn}}}, nil
		}
		timer := time.NewTimer(keepAliveEvery)
		select {
		case <-changed:
		case <-timer.C:
		case <-l.closed:
		case <-ctx.Done():
		}
		timer.Stop()
		if err := ctx.Err(); err != nil {
			return provider.Inventory{}, err
		}
	}
}

func (l *link) Close(context.Context) error {
	l.once.Do(func() { close(l.closed) })
	l.plant.mu.Lock()
	defer l.plant.mu.Unlock()
	l.plant.drop(l)
	return nil
}

// drop ends a connection. The caller holds mu.
func (p *plant) drop(l *link) {
	if p.acting[l.id] == l {
		delete(p.acting, l.id)
		p.tell("%s acts for %s no more", l.by.id, l.id)
	}
}

// died ends all connections of a process, as its system does.
func (p *plant) died(by *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	by.dead.Store(true)
	for _, l := range p.acting {
		if l.by == by {
			p.drop(l)
		}
	}
}

// breaks breaks a Provider, or mends it.
func (p *plant) breaks(id farm.ProviderID, broken bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken[id] = broken
	close(p.changed)
	p.changed = make(chan struct{})
}

// active is who acts for which Provider.
func (p *plant) active() map[farm.ProviderID]*process {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := map[farm.ProviderID]*process{}
	for id, l := range p.acting {
		m[id] = l.by
	}
	return m
}

func (p *plant) history() []call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

func cmpOr(id, otherwise farm.BrokerID) farm.BrokerID {
	if id == "" {
		return otherwise
	}
	return id
}
