// Package broker is the live part of a Connection Broker: it keeps the broker's
// presence, stands for coordinator, decides by farm.Plan while it is one, and
// runs the agents of the Providers that the broker owns.
//
// It reacts to state, never to events: every loop looks at the newest picture
// of the Site as a whole, acts, and waits for a later one. DESIGN.md says why
// this is safe.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
	"github.com/quorate/quorate/store"
)

// Config is what a broker needs to run.
type Config struct {
	Site    farm.SiteID
	Broker  farm.BrokerID
	Address string // base URL of its server, for people and other servers
	Version string
	Process string // a word of this process's own, by which it knows its presence again

	// Mode and Priority are used when the broker is new to its Site; later they
	// are the administrator's. An empty Mode is decided by the rule, a negative
	// Priority is last.
	Mode     farm.Mode
	Priority int

	TTL         time.Duration // of the lease to ask for
	Margin      time.Duration // how long before its lease could end it stops acting
	StopTimeout time.Duration // for handing everything over when it stops

	Store   store.Store
	Drivers []provider.Driver
	Line    *Line // to the other brokers; nil: whoever is present is in contact
	Log     *slog.Logger
	Metrics prometheus.Registerer // nil: none
	Calls   Calls                 // nil: none
}

// presentTold is how often it is said that another life of this broker keeps it
// from registering.
const presentTold = time.Minute

// DefaultConfig returns settings that lack only identity, store and drivers.
func DefaultConfig() Config {
	return Config{
		Priority:    -1,
		TTL:         3 * time.Second,
		Margin:      farm.MinMargin(3 * time.Second),
		StopTimeout: 10 * time.Second,
		Log:         slog.New(slog.DiscardHandler),
	}
}

// Validate reports everything that is wrong with the settings.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !farm.ValidID(string(c.Site)) {
		fault("site %q is not a valid id", c.Site)
	}
	if !farm.ValidID(string(c.Broker)) {
		fault("broker %q is not a valid id", c.Broker)
	}
	if c.Mode != "" && c.Mode != farm.ModeActive && c.Mode != farm.ModeStandby {
		fault("mode %q is neither active nor standby", c.Mode)
	}
	if c.TTL < time.Second {
		fault("lease TTL %s is less than 1s, the least that etcd grants", c.TTL)
	}
	if least := farm.MinMargin(c.TTL); c.Margin < least {
		fault("margin %s is unsafe: with a lease TTL of %s it must be at least %s", c.Margin, c.TTL, least)
	}
	if c.Margin > c.TTL/2 {
		fault("margin %s leaves too little of the lease TTL %s to act in: it must be at most half", c.Margin, c.TTL)
	}
	if c.StopTimeout <= 0 {
		fault("stop timeout %s is not positive", c.StopTimeout)
	}
	if c.Store == nil || c.Log == nil {
		fault("store and log must be given")
	}
	return errors.Join(faults...)
}

// Run is a broker from start to stop. It joins the Site (creating what is not
// there yet), registers, and serves until ctx ends; then it hands its Providers
// over, removes its presence and returns nil. When its presence is lost it
// registers again. It returns ErrFormat once the store is over for that reason. It
// needs the store's Run to be running beside it.
func Run(ctx context.Context, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c.Log = c.Log.With("site", c.Site, "broker", c.Broker)
	m := newMetrics(c.Metrics)
	for ctx.Err() == nil {
		if err := c.join(ctx, false); err != nil {
			return ended(ctx, err)
		}
		session, said, err := c.register(ctx)
		if err != nil {
			return ended(ctx, err)
		}
		err = newLife(c, m, session, said).run(ctx)
		switch {
		case errors.Is(err, store.ErrFormat):
			return err
		case err != nil:
			c.Log.Warn("presence lost; registering again", "err", err)
		}
	}
	return nil
}

// join puts the Site and the broker into the configuration if they are missing.
// Once the broker is present, and only then, the address is its own to change:
// before, another server may be that broker.
func (c Config) join(ctx context.Context, present bool) error {
	return c.insist(ctx, "joining the Site", func(ctx context.Context) error {
		_, err := c.Store.Edit(ctx, c.Site, func(p *farm.Picture) (store.Change, error) {
			return c.joining(p, present, time.Now())
		})
		return err
	})
}

func (c Config) joining(p *farm.Picture, present bool, now time.Time) (change store.Change, err error) {
	note := func(subject, format string, args ...any) {
		change.Events = append(change.Events, farm.Event{Time: now, Type: farm.EventConfigChanged, Subject: subject,
			Message: fmt.Sprintf(format, args...), Cause: farm.BrokerSubject(c.Broker)})
	}
	if p == nil {
		site := farm.NewSite(c.Site)
		site.CreatedAt, site.UpdatedAt = now, now
		change.PutSite = &site
		note(farm.SiteSubject, "Broker %s created the Site.", c.Broker)
		p = &farm.Picture{}
	}
	known, ok := p.Brokers[c.Broker]
	b := known.Value
	switch {
	case !ok:
		b, err = farm.NewBroker(p, farm.Broker{ID: c.Broker, Mode: c.Mode, Priority: c.Priority, Enabled: true, CreatedAt: now})
		if err != nil {
			return change, err
		}
		note(farm.BrokerSubject(c.Broker), "Broker %s joined the Site as %s.", c.Broker, b.Mode)
	case !present || c.Address == "" || b.Address == c.Address:
		return change, nil
	default:
		note(farm.BrokerSubject(c.Broker), "Broker %s is at %s now.", c.Broker, c.Address)
	}
	b.Address, b.UpdatedAt = c.Address, now
	change.PutBrokers = []farm.Broker{b}
	return change, nil
}

// register waits for a former life to end and begins a new one. It returns what
// the new one's presence says.
func (c Config) register(ctx context.Context) (session store.Session, said farm.Presence, err error) {
	if view := c.Store.Latest(); view.Sites[c.Site] != nil && view.Sites[c.Site].Online(c.Broker) {
		c.Log.Info("this broker is still present; waiting for its former life to end")
	}
	err = c.insist(ctx, "registering", func(ctx context.Context) error {
		attempt, cancel := context.WithTimeout(ctx, presentTold)
		defer cancel()
		said = c.presence()
		said.Unreached = c.survey(attempt)
		session, err = c.Store.Register(attempt, c.Site, said, c.TTL)
		if attempt.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("still waiting; were two servers given the same --broker? %w", err)
		}
		return err
	})
	return session, said, err
}

func (c Config) presence() farm.Presence {
	p := farm.Presence{Broker: c.Broker, Address: c.Address, Version: c.Version, Process: c.Process, Since: time.Now()}
	if c.Line != nil {
		p.ContactKey = newKey()
	}
	return p
}

// insist tries until it succeeds, the store is over or ctx ends, and says what
// keeps it from it.
func (c Config) insist(ctx context.Context, doing string, try func(context.Context) error) error {
	for delay := 50 * time.Millisecond; ; delay = min(2*delay, time.Second) {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, store.ErrFormat) {
			return err
		}
		c.Log.Warn("trying again", "doing", doing, "err", err)
		if err := pause(ctx, jitter(delay)); err != nil {
			return err
		}
	}
}

// pause waits for d or until ctx ends, whichever is first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// jitter is between half of d and d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }
