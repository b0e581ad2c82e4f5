package transfer

import (
	"context"
	"fmt"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// Export returns the configuration of the Farm as it was at one revision, or of
// one of its Sites.
func (f Farm) Export(ctx context.Context, only farm.SiteID) (Document, error) {
	view, err := f.Store.Current(ctx)
	if err != nil {
		return Document{}, fmt.Errorf("read the Farm: %w", err)
	}
	if err := view.Whole(); err != nil { // half a backup is worse than none
		return Document{}, fmt.Errorf("read the Farm: %w", err)
	}
	if only != "" && view.Sites[only] == nil {
		return Document{}, fmt.Errorf("there is no Site %q", only)
	}
	d, err := f.describe(ctx, rehearse(f.Store, view))
	if only != "" {
		d.Sites = map[string]Site{string(only): d.Sites[string(only)]}
	}
	return d, err
}

// ExportWithSecrets does so with the Providers' secrets, which it seals.
func (f Farm) ExportWithSecrets(ctx context.Context, only farm.SiteID, passphrase string) (Document, error) {
	for {
		before := f.Store.Latest().Revision
		d, err := f.Export(ctx, only)
		if err != nil {
			return d, err
		}
		found, err := f.secrets(ctx, d)
		if err != nil {
			return d, err
		}
		view, err := f.Store.Current(ctx)
		if err != nil {
			return d, fmt.Errorf("read the Farm: %w", err)
		}
		if !touched(view, before) {
			d.Secrets, err = seal(d.bind(found), passphrase, f.Work)
			return d, err
		}
	}
}

// touched reports whether a Provider was written after a revision: then its
// secret need not be the one that belongs to what was exported.
func touched(view *store.View, after farm.Revision) bool {
	for _, p := range view.Sites {
		for _, pr := range p.Providers {
			if pr.Revision > after {
				return true
			}
		}
	}
	return false
}

// secrets reads the secrets of the document's Providers.
func (f Farm) secrets(ctx context.Context, d Document) (map[string]string, error) {
	found := map[string]string{}
	for id, site := range d.Sites {
		for name := range site.Providers {
			secret, err := f.Store.Secret(ctx, farm.SiteID(id), farm.ProviderID(name))
			if err != nil {
				return nil, fmt.Errorf("the secret of sites/%s/providers/%s: %w", id, name, err)
			}
			if secret != "" {
				found[id+"/"+name] = secret
			}
		}
	}
	return found, nil
}

// describe reads all that a rehearsal holds, through the API.
func (f Farm) describe(ctx context.Context, r *rehearsal) (Document, error) {
	d := Document{Format: format, Version: version, Sites: map[string]Site{}}
	api, err := f.call(r, "export")
	if err != nil {
		return d, err
	}
	for id, p := range r.Latest().Sites {
		s := Site{Brokers: map[string]object{}, Providers: map[string]object{}}
		at := "sites/" + string(id)
		if s.Settings, err = api.settings(ctx, at); err != nil {
			return d, err
		}
		for b := range p.Brokers {
			if s.Brokers[string(b)], err = api.settings(ctx, at+"/brokers/"+string(b)); err != nil {
				return d, err
			}
		}
		for pr := range p.Providers {
			if s.Providers[string(pr)], err = api.settings(ctx, at+"/providers/"+string(pr)); err != nil {
				return d, err
			}
		}
		d.Sites[string(id)] = s
	}
	return d, nil
}

// settings is what a client sets of a resource.
func (c caller) settings(ctx context.Context, path string) (object, error) {
	o, err := c.do(ctx, "GET", path, 0, nil)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	for _, name := range []string{"id", "site", "status", "revision", "createdAt", "updatedAt"} {
		delete(o, name)
	}
	return o, nil
}
