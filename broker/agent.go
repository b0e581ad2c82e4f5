package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
	"github.com/quorate/quorate/store"
)

const (
	firstRetry     = 500 * time.Millisecond
	longestRetry   = 30 * time.Second
	connectTimeout = 20 * time.Second
	closeTimeout   = 500 * time.Millisecond
)

// agent holds the connection to one Provider for one epoch. It acts only while
// its broker's permit holds.
type agent struct {
	*life
	id    farm.ProviderID
	epoch farm.Epoch
	box   chan duty // the newest duty
	quit  context.CancelFunc
	done  chan struct{}
	over  atomic.Bool // it has ended: whatever is still on its way is not to be sent

	duty   duty
	edited bool                      // the Provider's configuration has changed since the last connect
	hosts  map[farm.HostID]farm.Host // as stored
	report farm.Report               // as stored
}

func startAgent(l *life, id farm.ProviderID, d duty) *agent {
	a := &agent{
		life: l, id: id, epoch: d.record.Value.Epoch, duty: d,
		box: make(chan duty, 1), done: make(chan struct{}),
		hosts: map[farm.HostID]farm.Host{},
	}
	ctx, quit := context.WithCancel(provider.Guarded(l.permit.context(), a.allowed))
	a.quit = quit
	if p := l.Store.Latest().Sites[l.Site]; p != nil {
		for host, h := range p.Hosts[id] {
			a.hosts[host] = h
		}
		a.report = p.Reports[id]
	}
	go func() {
		defer close(a.done)
		a.run(ctx)
		a.over.Store(true)
	}()
	return a
}

// allowed guards every request: not without the permit, and none of an agent
// that has ended, however late its connection's own goroutines come to it.
func (a *agent) allowed() error {
	if a.over.Load() {
		return errSelfStop
	}
	return a.permit.check()
}

// tell replaces the duty; the keeper alone calls it.
func (a *agent) tell(d duty) {
	select {
	case <-a.box:
	default:
	}
	a.box <- d
}

// ended is closed when the agent has stopped by itself. A nil agent never does.
func (a *agent) ended() <-chan struct{} {
	if a == nil {
		return nil
	}
	return a.done
}

// stop ends the agent and waits until no call of it is under way.
func (a *agent) stop() {
	if a == nil {
		return
	}
	a.quit()
	<-a.done
}

// run connects, keeps the inventory true, and connects again when the
// connection ends, later and later while that fails, at once when the Provider
// has been edited.
func (a *agent) run(ctx context.Context) {
	delay := firstRetry
	for ctx.Err() == nil && a.permit.holds() {
		began := time.Now()
		wasConnected, err := a.connection(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errEdited) {
			delay = firstRetry
			continue
		}
		if wasConnected {
			delay = firstRetry
			a.say(ctx, store.Update{}, farm.Connecting, provider.Reason(err), "The connection was lost. "+provider.Sentence(err)+" Connecting again.")
			if time.Since(began) > firstRetry {
				continue // once at once; one that keeps breaking waits below
			}
		} else {
			a.say(ctx, store.Update{}, farm.Failed, provider.Reason(err), provider.Sentence(err))
		}
		a.Log.Warn("not connected", "provider", a.id, "err", err)
		if !a.pauseOrEdit(ctx, jitter(delay)) {
			delay = firstRetry
			continue
		}
		delay = min(2*delay, longestRetry)
	}
}

var errEdited = errors.New("the Provider was edited")

// pauseOrEdit waits; false if the Provider was edited meanwhile.
func (a *agent) pauseOrEdit(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for !a.edited {
		select {
		case <-ctx.Done():
			return true
		case <-timer.C:
			return true
		case next := <-a.box:
			a.accept(next)
		}
	}
	return false
}

// accept takes a new duty over.
func (a *agent) accept(d duty) {
	a.edited = a.edited || d.config.Revision != a.duty.config.Revision
	a.duty = d
}

// connection makes one connection and serves it until it ends.
func (a *agent) connection(ctx context.Context) (connected bool, err error) {
	a.edited = false
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	target, conn, err := a.connect(ctx)
	result := "ok"
	if err != nil {
		result = string(provider.Reason(err))
	}
	a.metrics.connects.WithLabelValues(result).Inc()
	if err != nil {
		return false, err
	}
	defer a.close(conn)

	type news struct {
		inventory provider.Inventory
		err       error
	}
	feed := make(chan news)
	go func() {
		defer close(feed)
		for a.permit.holds() {
			inv, err := conn.Next(ctx)
			select {
			case feed <- news{inv, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	defer func() {
		cancel()
		for range feed { // until Next has returned
		}
	}()
	for {
		if a.edited {
			if now, err := a.target(ctx); err != nil || !equal(now, target) {
				return connected, errEdited
			}
			a.edited = false // what was edited does not concern the connection
		}
		select {
		case <-ctx.Done():
			return connected, ctx.Err()
		case n, ok := <-feed:
			if !ok {
				return connected, errSelfStop
			}
			if n.err != nil {
				return connected, n.err
			}
			a.say(ctx, a.diff(n.inventory), farm.Connected, "", "")
			connected = true
		case next := <-a.box:
			a.accept(next)
		}
	}
}

// aim is what a connection is made from.
type aim struct {
	kind string // the Provider's type
	provider.Target
}

func equal(a, b aim) bool {
	return a.kind == b.kind && a.Address == b.Address && a.Username == b.Username && a.Secret == b.Secret &&
		bytes.Equal(a.Options, b.Options)
}

// target is the aim that the Provider's settings give. A secret is never sent to
// another place than the one it was stored with: if the settings have changed
// when it has been read, their duty is awaited and both are read again.
func (a *agent) target(ctx context.Context) (aim, error) {
	for {
		secret, err := a.Store.Secret(ctx, a.Site, a.id)
		if err != nil {
			return aim{}, unread(err)
		}
		now, err := a.Store.Current(ctx)
		if err != nil {
			return aim{}, unread(err)
		}
		c := a.duty.config
		if p := now.Sites[a.Site]; p != nil && p.Providers[a.id].Revision == c.Revision {
			return aim{c.Value.Type, provider.Target{
				Address: c.Value.Address, Username: c.Value.Username, Secret: secret, Options: c.Value.Options,
			}}, nil
		}
		if err := a.awaitRecord(ctx); err != nil {
			return aim{}, err
		}
	}
}

// unread is why a Provider's settings, or the secret among them, cannot be read.
func unread(err error) error {
	why, sentence := provider.ErrConnectionFailed, "Storage did not answer when the Provider's settings were read."
	if errors.Is(err, store.ErrSecretKey) {
		why = provider.ErrSecretKeyMissing
		sentence = "The stored password cannot be opened with this server's secret key: give this server the Farm's key (--secret-key-file), as the other servers have it, and restart it. If no server has it any more, send the password again."
	}
	return provider.WithSentence(fmt.Errorf("%w: reading the settings: %w", why, err), "%s", sentence)
}

func (a *agent) connect(ctx context.Context) (aim, provider.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	to, err := a.target(ctx)
	if err != nil {
		return to, nil, err
	}
	i := slices.IndexFunc(a.Drivers, func(d provider.Driver) bool { return d.Type().ID == to.kind })
	switch {
	case i < 0:
		err := fmt.Errorf("%w: this server knows no Provider type %q", provider.ErrUnsupportedVersion, to.kind)
		return to, nil, provider.WithSentence(err, "This server's version knows no Provider type %q.", to.kind)
	case !a.permit.holds():
		return to, nil, errSelfStop
	}
	conn, err := a.Drivers[i].Connect(ctx, to.Target)
	return to, conn, err
}

// close logs out while the broker may still act, and only frees afterwards.
func (a *agent) close(conn provider.Conn) {
	ctx, cancel := context.WithTimeout(provider.Guarded(a.permit.context(), a.allowed), closeTimeout)
	defer cancel()
	if err := conn.Close(ctx); err != nil {
		a.Log.Debug("connection not closed cleanly", "provider", a.id, "err", err)
	}
}

// say stores what the agent knows, under its epoch, until that is stored or the
// agent ends. It writes nothing when nothing is new.
func (a *agent) say(ctx context.Context, u store.Update, state farm.ConnectionState, reason farm.Reason, message string) {
	r := farm.Report{Epoch: a.epoch, State: state, Reason: reason, Message: message, Since: time.Now(), Hosts: len(a.hosts)}
	for _, h := range a.hosts {
		if h.Usable() {
			r.UsableHosts++
		}
	}
	old := a.report
	if old.Epoch == r.Epoch && old.State == r.State {
		r.Since = old.Since
	}
	if r != old {
		u.Report = &r
	}
	if old.Epoch != r.Epoch || old.State != r.State {
		u.Events = append(u.Events, a.stateChanged(old, r))
	}
	if u.Report == nil && len(u.Hosts) == 0 && len(u.Gone) == 0 {
		return
	}
	for _, part := range u.Parts() {
		if !a.insist(ctx, part) {
			return
		}
	}
	a.report = r
}

// insist stores an Update of one part, and tries until it is stored; false if
// the agent ends before.
func (a *agent) insist(ctx context.Context, part store.Update) bool {
	for ctx.Err() == nil && a.permit.holds() {
		err := a.store(ctx, part)
		if err == nil {
			return true
		}
		if !errors.Is(err, store.ErrFenced) {
			a.Log.Warn("report not stored", "provider", a.id, "err", err)
		}
		if a.awaitRecord(ctx) != nil {
			return false
		}
	}
	return false
}

func (a *agent) store(ctx context.Context, u store.Update) error {
	ctx, cancel := context.WithTimeout(ctx, a.session.TTL())
	defer cancel()
	return a.session.Report(ctx, a.id, a.duty.record, u)
}

// awaitRecord lets a moment pass and takes over a duty that has come meanwhile:
// a record that has changed for another reason than a change of owner.
func (a *agent) awaitRecord(ctx context.Context) error {
	select {
	case next := <-a.box:
		a.accept(next)
	case <-time.After(jitter(100 * time.Millisecond)):
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (a *agent) stateChanged(old, r farm.Report) farm.Event {
	from := string(old.State)
	if old.Epoch != r.Epoch {
		from = string(farm.Connecting)
	}
	e := farm.Event{
		Time: r.Since, Type: farm.EventStateChanged, Subject: farm.ProviderSubject(a.id),
		From: from, To: string(r.State), Epoch: a.epoch, Reason: r.Reason, Message: r.Message,
		Cause: farm.BrokerSubject(a.Broker),
	}
	if r.State == farm.Connected {
		e.Message = fmt.Sprintf("Broker %s is connected; %s.", a.Broker, hosts(r.Hosts))
	}
	return e
}

func hosts(n int) string {
	if n == 1 {
		return "1 Host"
	}
	return fmt.Sprintf("%d Hosts", n)
}
