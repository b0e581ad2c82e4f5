package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// known says whether a password is stored with a Provider.
type known struct {
	revision farm.Revision // of the Provider; a password that is written moves it on
	password bool
}

// errNotKnown: whether a password is stored counts, and is not known at the
// Provider's revision. It is read outside of the transaction, which then decides
// again.
var errNotKnown = errors.New("it is not known whether the Provider has a password")

// keepsPassword refuses a change that would send the stored password to another
// place, or under another name, than whoever stored it meant: who may change an
// address need not know the password, and must not learn it that way. All
// options count, as only the type knows which of them say where a connection
// goes or whom it trusts, and one that is overlooked gives the password away.
func keepsPassword(was farm.Stored[farm.Provider], next farm.Provider, k known, sent *string, at string) error {
	switch {
	case sent != nil || sameTarget(was.Value, next):
		return nil
	case k.revision != was.Revision:
		return errNotKnown
	case !k.password:
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

// hasPassword reads whether a password is stored with a Provider. One that this
// server cannot open is one, too.
func (a *API) hasPassword(ctx context.Context, site farm.SiteID, id farm.ProviderID) (known, error) {
	v, secret, err := a.withPassword(ctx, site, id)
	if errors.Is(err, store.ErrSecretKey) {
		return known{v.Revision, true}, nil
	}
	return known{v.Revision, secret != ""}, err
}

// errSealed is the problem of a stored password that this server cannot open.
func errSealed(id farm.ProviderID) error {
	return problem("secret-key-required", "The password of Provider %s cannot be opened with this server's secret key: give this server the Farm's key (--secret-key-file), or ask a server that has it. If no server has it any more, send the password again.", id)
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
