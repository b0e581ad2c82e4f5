package broker

import (
	"context"
	"errors"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// duty is what the newest picture asks of this life for one Provider.
type duty struct {
	record farm.Stored[farm.Ownership]
	config farm.Stored[farm.Provider]
	// act: this life owns the Provider, is to keep it, and may act now.
	act bool
}

// runAgents gives every Provider that concerns this life a keeper, and tells
// the keepers what the newest picture asks of them.
func (l *life) runAgents(ctx context.Context) error {
	keepers := map[farm.ProviderID]*keeper{}
	defer func() {
		for _, k := range keepers {
			k.retire()
		}
	}()
	var seen farm.Revision
	for {
		view := l.Store.Latest()
		seen = view.Revision
		if p := view.Sites[l.Site]; p != nil {
			l.assign(p, keepers)
		}
		if err := l.awaitChange(ctx, seen); err != nil {
			return err
		}
	}
}

// awaitChange waits for a newer View, a change of the right to act, or the time
// to reconcile.
func (l *life) awaitChange(ctx context.Context, after farm.Revision) error {
	waiting, cancel := context.WithTimeout(ctx, reconcileEvery)
	defer cancel()
	go func() {
		select {
		case <-l.kick:
			cancel()
		case <-waiting.Done():
		}
	}()
	if _, err := l.Store.Wait(waiting, after); errors.Is(err, store.ErrFormat) {
		return err
	}
	return ctx.Err()
}

// assign tells each keeper its duty, starting and retiring keepers as needed.
func (l *life) assign(p *farm.Picture, keepers map[farm.ProviderID]*keeper) {
	acting := p.Seats.Value.State != farm.StateLost && l.permit.holds() && p.Alive(l.me) && !l.session.Lost()
	concerns := map[farm.ProviderID]duty{}
	agents := 0
	for id, record := range p.Owners {
		o := record.Value
		mine := o.Owner() == l.me
		releasing := o.Releasing == l.me.Broker && o.ReleasingIncarnation == l.me.Incarnation
		if !mine && !releasing {
			continue
		}
		config, exists := p.Providers[id]
		d := duty{record: record, config: config, act: mine && o.Target == "" && acting && exists && config.Value.Enabled}
		concerns[id] = d
		if d.act {
			agents++
		}
	}
	l.metrics.owned.Set(float64(agents))
	for id, d := range concerns {
		k := keepers[id]
		if k == nil {
			k = newKeeper(l, id)
			keepers[id] = k
		}
		k.tell(d)
	}
	for id, k := range keepers {
		if _, ok := concerns[id]; !ok {
			k.retire()
			delete(keepers, id)
		}
	}
}

// keeper does for one Provider what the ownership record asks of this life, one
// thing at a time: run the agent; or stop it, wait for it, and then hand the
// Provider over or release it.
type keeper struct {
	*life
	id   farm.ProviderID
	box  chan duty // the newest duty; closed when there is none any more
	last duty
}

func newKeeper(l *life, id farm.ProviderID) *keeper {
	k := &keeper{life: l, id: id, box: make(chan duty, 1)}
	l.keepers.Go(k.run)
	return k
}

// tell replaces the duty. Only the loop that started the keeper calls it.
func (k *keeper) tell(d duty) {
	if d.equal(k.last) {
		return
	}
	k.last = d
	select {
	case <-k.box:
	default:
	}
	k.box <- d
}

func (d duty) equal(e duty) bool {
	return d.record.Revision == e.record.Revision && d.config.Revision == e.config.Revision && d.act == e.act
}

func (k *keeper) retire() {
	select {
	case <-k.box:
	default:
	}
	close(k.box)
}

// run ends when the keeper is retired, with its agent stopped.
func (k *keeper) run() {
	var a *agent
	defer func() { a.stop() }()
	var retry <-chan time.Time
	var d duty
	for {
		select {
		case next, ok := <-k.box:
			if !ok {
				return
			}
			d = next
		case <-retry:
		case <-a.ended(): // its right to act has ended; a new duty follows if it begins again
			a = nil
			continue
		}
		retry = nil
		if d.act {
			if a != nil && a.epoch == d.record.Value.Epoch && a.made.Equal(d.config.Value.CreatedAt) {
				a.tell(d)
				continue
			}
			a.stop()
			a = nil
			if wait := k.Line.gained(d.record.Revision); wait > 0 {
				retry = time.After(wait)
				continue
			}
			a = startAgent(k.life, k.id, d)
			continue
		}
		a.stop()
		a = nil
		if err := k.letGo(d); err != nil {
			k.Log.Warn("not let go yet", "provider", k.id, "err", err)
			retry = time.After(jitter(200 * time.Millisecond))
		}
	}
}

// letGo tells storage that the agent has stopped, if the record waits for it.
// A conflict is an answer: the record has changed and a new duty is on its way.
func (k *keeper) letGo(d duty) error {
	ctx, cancel := context.WithTimeout(context.Background(), k.session.TTL())
	defer cancel()
	var err error
	o := d.record.Value
	switch {
	case o.Owner() == k.me && o.Target != "":
		err = k.session.Handover(ctx, k.id, d.record)
	case o.Releasing == k.me.Broker && o.ReleasingIncarnation == k.me.Incarnation:
		err = k.session.Release(ctx, k.id, d.record)
	}
	if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrLost) {
		return nil
	}
	return err
}
