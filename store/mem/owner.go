package mem

import (
	"context"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// What an owner writes: refused unless the record is as it says.

func (l *session) life() farm.Life {
	return farm.Life{Broker: l.key.broker, Incarnation: l.incarnation}
}

func (l *session) picture() *farm.Picture {
	if p := l.m.view.Picture(l.key.site); p != nil {
		return p
	}
	return &farm.Picture{}
}

func (l *session) Handover(ctx context.Context, provider farm.ProviderID, was farm.Stored[farm.Ownership]) error {
	return l.act(ctx, "hand over", func() error {
		p := l.picture()
		target := farm.Life{Broker: was.Value.Target, Incarnation: was.Value.TargetIncarnation}
		if was.Revision == 0 || p.Owners[provider].Revision != was.Revision ||
			was.Value.Owner() != l.life() || !p.Alive(target) {
			return store.ErrConflict
		}
		now := time.Now()
		next := farm.HandedOver(was.Value)
		next.Since = now
		l.m.write(func(d *store.Draft) {
			s := d.Site(l.key.site)
			s.PutOwner(provider, ownOwnership(next), d.Revision())
			if e := farm.OwnerChanged(provider, was.Value, next, now); e != nil {
				s.AddEvents(stamped(d, []farm.Event{*e})...)
			}
		})
		return nil
	})
}

func (l *session) Release(ctx context.Context, provider farm.ProviderID, was farm.Stored[farm.Ownership]) error {
	return l.act(ctx, "release", func() error {
		releasing := farm.Life{Broker: was.Value.Releasing, Incarnation: was.Value.ReleasingIncarnation}
		if was.Revision == 0 || l.picture().Owners[provider].Revision != was.Revision || releasing != l.life() {
			return store.ErrConflict
		}
		l.m.write(func(d *store.Draft) {
			d.Site(l.key.site).PutOwner(provider, ownOwnership(farm.Released(was.Value)), d.Revision())
		})
		return nil
	})
}

func (l *session) Report(ctx context.Context, provider farm.ProviderID, was farm.Stored[farm.Ownership], u store.Update) error {
	return l.act(ctx, "report", func() error {
		p := l.picture()
		if was.Revision == 0 || p.Owners[provider].Revision != was.Revision ||
			was.Value.Owner() != l.life() || p.Providers[provider].Revision == 0 {
			return store.ErrFenced
		}
		l.m.write(func(d *store.Draft) { report(d, d.Site(l.key.site), provider, was.Value.Epoch, u) })
		return nil
	})
}

func report(d *store.Draft, s *store.SiteDraft, provider farm.ProviderID, epoch farm.Epoch, u store.Update) {
	for _, h := range u.Hosts {
		h.Epoch = epoch
		s.PutHost(provider, ownHost(h))
	}
	for _, id := range u.Gone {
		s.DeleteHost(provider, id)
	}
	if u.Report != nil {
		r := ownReport(*u.Report)
		r.Epoch = epoch
		s.PutReport(provider, r)
	}
	s.AddEvents(stamped(d, u.Events)...)
}
