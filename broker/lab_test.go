package broker

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/mem"
)

const (
	site    = farm.SiteID("hq")
	testTTL = 2 * time.Second
)

// lab is a Site in one process and in virtual time: brokers over one memory,
// Providers that notice when two brokers act for them.
type lab struct {
	t       *testing.T
	ctx     context.Context
	memory  *mem.Store
	delay   time.Duration // of each report that a broker stores
	reading func()        // happens when a broker next reads a secret
	lost    atomic.Value  // the broker whose life is lost, whatever the View shows
	pool    *pool
	net     *network
	brokers map[farm.BrokerID]*running
}

type running struct {
	store *mem.Store
	stop  context.CancelFunc
	done  chan struct{}
}

// inLab runs a test in a bubble of virtual time and stops all brokers after it.
func inLab(t *testing.T, test func(*lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		l := &lab{t: t, ctx: ctx, memory: mem.New(), pool: newPool(), net: newNetwork(), brokers: map[farm.BrokerID]*running{}}
		defer cancel()
		defer func() {
			for id := range l.brokers {
				l.brokers[id].stop()
			}
			for id := range l.brokers {
				<-l.brokers[id].done
			}
			if n := l.pool.overlaps(); n != 0 {
				t.Errorf("%d calls came while another broker was acting too", n)
			}
		}()
		test(l)
	})
}

func (l *lab) start(id farm.BrokerID, mode farm.Mode) {
	ctx, cancel := context.WithCancel(l.ctx)
	r := &running{store: l.memory.Another(), stop: cancel, done: make(chan struct{})}
	l.brokers[id] = r
	l.lost.CompareAndSwap(nil, "")
	c := DefaultConfig()
	c.Site, c.Broker, c.Mode, c.Address = site, id, mode, "http://"+string(id)
	c.TTL, c.Margin = testTTL, farm.MinMargin(testTTL)
	c.Line = l.net.line(id)
	c.Store, c.Drivers = slow{r.store, l.delay, &l.reading, func() bool { return l.lost.Load() == string(id) }}, []provider.Driver{driver{l.pool, id}}
	go func() {
		defer close(r.done)
		if err := Run(ctx, c); err != nil {
			l.t.Errorf("broker %s: %v", id, err)
		}
	}()
}

// startAll starts active brokers cb-1…, then standbys, one after the other, so
// that their order is their priority and the first is the coordinator.
func (l *lab) startAll(active, standby int) {
	for i := range active + standby {
		mode := farm.ModeActive
		if i >= active {
			mode = farm.ModeStandby
		}
		id := farm.BrokerID(fmt.Sprintf("cb-%d", i+1))
		l.start(id, mode)
		l.await("broker online", func(p *farm.Picture) bool { return p.Online(id) && p.Coordinator.Broker != "" })
	}
}

// slow is a store that takes its time for every report, and to which something
// can happen while a secret is read.
type slow struct {
	store.Store
	delay     time.Duration
	meanwhile *func()
	lost      func() bool
}

func (s slow) Secret(ctx context.Context, site farm.SiteID, id farm.ProviderID) (string, error) {
	if f := *s.meanwhile; f != nil {
		*s.meanwhile = nil
		f()
	}
	return s.Store.Secret(ctx, site, id)
}

func (s slow) Register(ctx context.Context, site farm.SiteID, p farm.Presence, ttl time.Duration) (store.Session, error) {
	session, err := s.Store.Register(ctx, site, p, ttl)
	return slowSession{session, s.delay, s.lost}, err
}

type slowSession struct {
	store.Session
	delay time.Duration
	lost  func() bool
}

func (s slowSession) Lost() bool { return s.lost() || s.Session.Lost() }

func (s slowSession) Report(ctx context.Context, id farm.ProviderID, was farm.Stored[farm.Ownership], u store.Update) error {
	if err := pause(ctx, s.delay); err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return s.Session.Report(ctx, id, was, u)
}

// stop ends a broker as SIGTERM does and waits for its end.
func (l *lab) stop(id farm.BrokerID) {
	l.brokers[id].stop()
	<-l.brokers[id].done
	delete(l.brokers, id)
}

// cut takes storage away from a broker, or gives it back.
func (l *lab) cut(id farm.BrokerID, away bool) { l.brokers[id].store.Down(away) }

func (l *lab) provider(id farm.ProviderID, preferred farm.Preference) {
	l.edit(func(p *farm.Picture) store.Change {
		return store.Change{PutProvider: &farm.Provider{ID: id, Type: "pool", Username: string(id), Enabled: true, Preferred: preferred}}
	})
}

func (l *lab) edit(change func(*farm.Picture) store.Change) {
	l.t.Helper()
	if _, err := l.memory.Edit(l.ctx, site, func(p *farm.Picture) (store.Change, error) { return change(p), nil }); err != nil {
		l.t.Fatal(err)
	}
}

// editProvider changes one Provider's configuration.
func (l *lab) editProvider(id farm.ProviderID, change func(*farm.Provider)) {
	l.t.Helper()
	l.edit(func(p *farm.Picture) store.Change {
		c := p.Providers[id].Value
		change(&c)
		return store.Change{PutProvider: &c}
	})
}

// await waits until the Site is as wanted and returns that picture.
func (l *lab) await(what string, is func(*farm.Picture) bool) *farm.Picture {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.ctx, 15*time.Minute)
	defer cancel()
	for view := l.memory.Latest(); ; {
		if p := view.Sites[site]; p != nil && is(p) {
			return p
		}
		next, err := l.memory.Wait(ctx, view.Revision)
		if err != nil {
			p := view.Sites[site]
			l.t.Fatalf("never: %s\nseats %+v\nowners %+v", what, p.Seats.Value, p.Owners)
		}
		view = next
	}
}

func (l *lab) connected(ids ...farm.ProviderID) *farm.Picture {
	l.t.Helper()
	return l.await(fmt.Sprintf("%v connected", ids), func(p *farm.Picture) bool {
		for _, id := range ids {
			if p.ProviderStatus(id).State != farm.ProviderConnected {
				return false
			}
		}
		return true
	})
}

// pool is a kind of Provider in this process. It knows who acts for which
// Provider and counts the calls that come while another one does.
type pool struct {
	mu       sync.Mutex
	acting   map[string]farm.BrokerID // by address (here: the Provider)
	overlap  int
	password string
	broken   bool
	hosts    int // each Provider has
	changed  chan struct{}
	connects int
	logins   []string               // address and secret of each connect
	away     map[farm.BrokerID]bool // who cannot reach it
}

func newPool() *pool {
	return &pool{acting: map[string]farm.BrokerID{}, changed: make(chan struct{}), hosts: 1, away: map[farm.BrokerID]bool{}}
}

func (p *pool) overlaps() int { p.mu.Lock(); defer p.mu.Unlock(); return p.overlap }
func (p *pool) count() int    { p.mu.Lock(); defer p.mu.Unlock(); return p.connects }

func (p *pool) active() map[string]farm.BrokerID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.acting)
}

func (p *pool) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// act notes a call of a broker.
func (p *pool) act(address string, b farm.BrokerID) {
	if other := p.acting[address]; other != "" && other != b {
		p.overlap++
	}
	p.acting[address] = b
}

type driver struct {
	pool *pool
	by   farm.BrokerID
}

func (d driver) Type() provider.Type                   { return provider.Type{ID: "pool"} }
func (d driver) Check(provider.Target) provider.Faults { return nil }

func (d driver) Connect(ctx context.Context, t provider.Target) (provider.Conn, error) {
	d.pool.mu.Lock()
	defer d.pool.mu.Unlock()
	d.pool.connects++
	d.pool.logins = append(d.pool.logins, t.Address+" "+t.Secret)
	if d.pool.broken || d.pool.away[d.by] {
		return nil, fmt.Errorf("%w: broken", provider.ErrConnectionFailed)
	}
	if t.Secret != d.pool.password {
		return nil, fmt.Errorf("%w: wrong password", provider.ErrInvalidCredentials)
	}
	d.pool.act(t.Username, d.by)
	return &conn{driver: d, address: t.Username}, nil
}

func (d driver) Reach(context.Context, provider.Target) error {
	d.pool.mu.Lock()
	defer d.pool.mu.Unlock()
	if d.pool.broken || d.pool.away[d.by] {
		return fmt.Errorf("%w: broken", provider.ErrConnectionFailed)
	}
	return nil
}

type conn struct {
	driver
	address string
	full    bool
}

func (c *conn) Next(ctx context.Context) (provider.Inventory, error) {
	c.pool.mu.Lock()
	if c.pool.broken || c.pool.away[c.by] {
		c.pool.mu.Unlock()
		return provider.Inventory{}, fmt.Errorf("%w: broken", provider.ErrConnectionFailed)
	}
	c.pool.act(c.address, c.by)
	changed := c.pool.changed
	hosts := make([]farm.Host, c.pool.hosts)
	c.pool.mu.Unlock()
	if !c.full {
		c.full = true
		for i := range hosts {
			hosts[i] = farm.Host{ID: farm.HostID(fmt.Sprintf("vm-%d", i+1)), Name: fmt.Sprintf("desktop-%d", i+1), State: farm.HostOn}
		}
		return provider.Inventory{Full: true, Hosts: hosts}, nil
	}
	select {
	case <-changed:
		c.pool.mu.Lock()
		defer c.pool.mu.Unlock()
		if c.pool.away[c.by] {
			return provider.Inventory{}, fmt.Errorf("%w: broken", provider.ErrConnectionFailed)
		}
		return provider.Inventory{}, nil
	case <-ctx.Done():
		return provider.Inventory{}, ctx.Err()
	}
}

func (c *conn) Close(context.Context) error {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	if c.pool.acting[c.address] == c.by {
		delete(c.pool.acting, c.address)
	}
	return nil
}
