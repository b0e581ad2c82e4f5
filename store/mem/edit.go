package mem

import (
	"context"
	"fmt"
	"maps"
	"reflect"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

func (s *Store) Edit(ctx context.Context, site farm.SiteID, decide func(*farm.Picture) (store.Change, error)) (*farm.Picture, error) {
	for {
		v, err := s.Current(ctx)
		if err != nil {
			return nil, fmt.Errorf("edit Site %q: %w", site, err)
		}
		p := v.Sites[site]
		c, err := decide(p)
		if err != nil {
			return nil, err
		}
		if c, err = c.Against(site, p); err != nil || c.Empty() {
			return p, err
		}
		if after, stored := s.m.tryEdit(site, p, c); stored {
			return after, nil
		}
	}
}

// tryEdit stores c if what it was decided from is still so.
func (m *memory) tryEdit(site farm.SiteID, from *farm.Picture, c store.Change) (*farm.Picture, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !sameInputs(from, m.view.Sites[site]) {
		return nil, false
	}
	if c.DeleteSite {
		m.deleteSite(site)
		return nil, true
	}
	m.keepSecret(site, c)
	m.write(func(d *store.Draft) { change(d, site, c) })
	return m.view.Sites[site], true
}

// sameInputs reports whether configuration, presence and seats are the same.
func sameInputs(a, b *farm.Picture) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Site.Revision == b.Site.Revision && a.Seats.Revision == b.Seats.Revision &&
		reflect.DeepEqual(a.Presence, b.Presence) &&
		maps.EqualFunc(a.Brokers, b.Brokers, sameRevision[farm.Broker]) &&
		maps.EqualFunc(a.Providers, b.Providers, sameRevision[farm.Provider])
}

func sameRevision[T any](a, b farm.Stored[T]) bool { return a.Revision == b.Revision }

func (m *memory) keepSecret(site farm.SiteID, c store.Change) {
	if c.DeleteProvider != "" {
		delete(m.secrets, providerKey{site, c.DeleteProvider})
	}
	switch {
	case c.Secret == nil:
	case *c.Secret == "":
		delete(m.secrets, providerKey{site, c.PutProvider.ID})
	default:
		m.secrets[providerKey{site, c.PutProvider.ID}] = *c.Secret
	}
}

func change(d *store.Draft, site farm.SiteID, c store.Change) {
	s := d.Site(site)
	if c.PutSite != nil {
		s.PutSite(ownSite(*c.PutSite), d.Revision())
	}
	for _, b := range c.PutBrokers {
		s.PutBroker(ownBroker(b), d.Revision())
	}
	if c.DeleteBroker != "" {
		s.DeleteBroker(c.DeleteBroker)
	}
	if c.PutProvider != nil {
		s.PutProvider(ownProvider(*c.PutProvider), d.Revision())
	}
	if id := c.DeleteProvider; id != "" {
		s.DeleteProvider(id)
		s.DeleteReport(id)
		s.DeleteHosts(id)
	}
	s.AddEvents(stamped(d, c.Events)...)
}
