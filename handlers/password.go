package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/quorate/quorate/farm"
)

// errSecretMoved: the Provider has changed since its password was read.
var errSecretMoved = errors.New("the Provider has changed since its password was read")

// keepsPassword refuses a change that would send the stored password to another
// place, or under another name, than whoever stored it meant: who may change an
// address need not know the password, and must not learn it that way. All
// options count, as only the type knows which of them say where a connection
// goes or whom it trusts, and one that is overlooked gives the password away.
func keepsPassword(was, next farm.Provider, stored string, sent *string, at string) error {
	if stored == "" || sent != nil || sameTarget(was, next) {
		return nil
	}
	return invalid(Fault{at + "/credentials/password",
		`is required with a new type, address, username or options: the stored password is sent only where it was meant to be. Send it again, or "" to remove it`})
}

// sameTarget reports whether two settings connect to the same place in the same way.
func sameTarget(a, b farm.Provider) bool {
	return a.Type == b.Type && a.Address == b.Address && a.Username == b.Username &&
		bytes.Equal(compact(a.Options), compact(b.Options))
}

// withPassword reads a Provider and the password that was stored with it;
// revision 0 if there is no such Provider. A change between the two reads could
// pair an old address with a new password, so it reads until there was none.
func (a *API) withPassword(ctx context.Context, site farm.SiteID, id farm.ProviderID) (farm.Stored[farm.Provider], string, error) {
	was, err := a.storedProvider(ctx, site, id)
	for err == nil {
		var secret string
		if secret, err = a.Store.Secret(ctx, site, id); err != nil {
			return was, "", fmt.Errorf("read secret: %w", err)
		}
		now, err := a.storedProvider(ctx, site, id)
		if err != nil || now.Revision == was.Revision {
			return now, secret, err
		}
		was = now
	}
	return was, "", err
}

func (a *API) storedProvider(ctx context.Context, site farm.SiteID, id farm.ProviderID) (farm.Stored[farm.Provider], error) {
	view, err := a.Store.Current(ctx)
	if err != nil {
		return farm.Stored[farm.Provider]{}, fmt.Errorf("read Farm: %w", err)
	}
	p := view.Sites[site]
	if p == nil {
		return farm.Stored[farm.Provider]{}, noSite(site)
	}
	return p.Providers[id], nil
}
