package transfer

import (
	"context"
	"sync"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// rehearsal is a copy of the Farm in memory, as it was in one View: edits change
// the copy alone. What it shows moves by nothing else, so that all that is read
// from it is of one revision. It has the methods that the API's reads and edits
// need; the others are not there, since a rehearsal must not do anything.
type rehearsal struct {
	store.Store

	secret func(context.Context, farm.SiteID, farm.ProviderID) (string, error) // as stored

	mu      sync.Mutex
	view    *store.View
	secrets map[provider]string // that were edited
}

type provider struct {
	site farm.SiteID
	id   farm.ProviderID
}

func rehearse(st store.Store, view *store.View) *rehearsal {
	return &rehearsal{secret: st.Secret, view: view, secrets: map[provider]string{}}
}

func (r *rehearsal) Latest() *store.View {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view
}

func (r *rehearsal) Current(context.Context) (*store.View, error) { return r.Latest(), nil }

func (r *rehearsal) Secret(ctx context.Context, site farm.SiteID, id farm.ProviderID) (string, error) {
	r.mu.Lock()
	edited, ok := r.secrets[provider{site, id}]
	r.mu.Unlock()
	if ok {
		return edited, nil
	}
	return r.secret(ctx, site, id)
}

func (r *rehearsal) Edit(_ context.Context, site farm.SiteID, decide func(*farm.Picture) (store.Change, error)) (*farm.Picture, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.view.Sites[site]
	c, err := decide(p)
	if err != nil {
		return nil, err
	}
	if c, err = c.Against(site, p); err != nil || c.Empty() {
		return p, err
	}
	d := store.NewDraft(r.view, r.view.Revision+1)
	if c.DeleteSite {
		d.DeleteSite(site)
	} else {
		r.apply(d, site, c)
	}
	r.view = d.View()
	return r.view.Sites[site], nil
}

func (r *rehearsal) apply(d *store.Draft, site farm.SiteID, c store.Change) {
	s := d.Site(site)
	if c.PutSite != nil {
		s.PutSite(*c.PutSite, d.Revision())
	}
	for _, b := range c.PutBrokers {
		s.PutBroker(b, d.Revision())
	}
	if c.DeleteBroker != "" {
		s.DeleteBroker(c.DeleteBroker)
	}
	if c.PutProvider != nil {
		s.PutProvider(*c.PutProvider, d.Revision())
		if c.Secret != nil {
			r.secrets[provider{site, c.PutProvider.ID}] = *c.Secret
		}
	}
	if c.DeleteProvider != "" {
		s.DeleteProvider(c.DeleteProvider)
		r.secrets[provider{site, c.DeleteProvider}] = ""
	}
}
