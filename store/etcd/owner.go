package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

func (l *session) Handover(ctx context.Context, provider farm.ProviderID, was farm.Stored[farm.Ownership]) error {
	if err := l.handover(ctx, provider, was); err != nil {
		return fmt.Errorf("hand over Provider %q: %w", provider, err)
	}
	return nil
}

func (l *session) handover(ctx context.Context, provider farm.ProviderID, was farm.Stored[farm.Ownership]) error {
	if err := l.check(); err != nil {
		return err
	}
	v := was.Value
	if was.Revision == 0 || v.Owner() != l.life() || v.Target == "" {
		return store.ErrConflict
	}
	now := time.Now()
	next := farm.HandedOver(v)
	next.Since = now
	var t txn
	t.created(l.s.keys.presence(l.site, v.Target), int64(v.TargetIncarnation))
	if err := l.replace(&t, provider, was, next); err != nil {
		return err
	}
	if e := farm.OwnerChanged(provider, v, next, now); e != nil {
		if err := l.s.putEvents(&t, l.site, []farm.Event{*e}); err != nil {
			return err
		}
	}
	return l.write(ctx, &t, store.ErrConflict)
}

func (l *session) Release(ctx context.Context, provider farm.ProviderID, was farm.Stored[farm.Ownership]) error {
	if err := l.release(ctx, provider, was); err != nil {
		return fmt.Errorf("release Provider %q: %w", provider, err)
	}
	return nil
}

func (l *session) release(ctx context.Context, provider farm.ProviderID, was farm.Stored[farm.Ownership]) error {
	if err := l.check(); err != nil {
		return err
	}
	releasing := farm.Life{Broker: was.Value.Releasing, Incarnation: was.Value.ReleasingIncarnation}
	if was.Revision == 0 || releasing != l.life() {
		return store.ErrConflict
	}
	var t txn
	if err := l.replace(&t, provider, was, farm.Released(was.Value)); err != nil {
		return err
	}
	return l.write(ctx, &t, store.ErrConflict)
}

// replace puts the next ownership record in place of the one that was.
func (l *session) replace(t *txn, provider farm.ProviderID, was farm.Stored[farm.Ownership], next farm.Ownership) error {
	key := l.s.keys.owner(l.site, provider)
	value, err := encodeOwner(next)
	t.unchanged(key, was.Revision)
	t.put(key, value)
	return err
}

func (l *session) Report(ctx context.Context, provider farm.ProviderID, was farm.Stored[farm.Ownership], u store.Update) error {
	if err := l.report(ctx, provider, was, u); err != nil {
		return fmt.Errorf("report on Provider %q: %w", provider, err)
	}
	return nil
}

func (l *session) report(ctx context.Context, provider farm.ProviderID, was farm.Stored[farm.Ownership], u store.Update) error {
	if err := l.check(); err != nil {
		return err
	}
	if was.Revision == 0 || was.Value.Owner() != l.life() {
		return store.ErrFenced
	}
	changes, err := l.hostChanges(provider, was.Value.Epoch, u)
	if err != nil {
		return err
	}
	t := l.fenced(provider, was)
	for _, change := range changes {
		change(t)
	}
	if u.Report != nil {
		r := *u.Report
		r.Epoch = was.Value.Epoch
		value, err := encodeReport(r)
		if err != nil {
			return err
		}
		t.put(l.s.keys.report(l.site, provider), value)
	}
	if err := l.s.putEvents(t, l.site, u.Events); err != nil {
		return err
	}
	return l.write(ctx, t, store.ErrFenced)
}

// fenced is a transaction that holds only while the record is as it was and
// the Provider is there.
func (l *session) fenced(provider farm.ProviderID, was farm.Stored[farm.Ownership]) *txn {
	t := &txn{}
	t.unchanged(l.s.keys.owner(l.site, provider), was.Revision)
	t.exists(l.s.keys.provider(l.site, provider))
	return t
}

// hostChanges lists what to do about Hosts, one operation for each. A Host
// that is gone is not put.
func (l *session) hostChanges(provider farm.ProviderID, epoch farm.Epoch, u store.Update) ([]func(*txn), error) {
	var changes []func(*txn)
	var errs []error
	done := make(map[farm.HostID]bool, len(u.Hosts)+len(u.Gone))
	for _, id := range u.Gone {
		if !done[id] {
			done[id] = true
			changes = append(changes, func(t *txn) { t.delete(l.s.keys.host(l.site, provider, id)) })
		}
	}
	for i := len(u.Hosts) - 1; i >= 0; i-- { // the last word on a Host counts
		h := u.Hosts[i]
		if done[h.ID] {
			continue
		}
		done[h.ID] = true
		h.Epoch = epoch
		value, err := encodeHost(h)
		errs = append(errs, err)
		changes = append(changes, func(t *txn) { t.put(l.s.keys.host(l.site, provider, h.ID), value) })
	}
	return changes, errors.Join(errs...)
}
