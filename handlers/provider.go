package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// Provider is a Provider as it is answered.
type Provider struct {
	ID          farm.ProviderID `json:"id" swaggertype:"string" example:"vc-1"`
	Site        farm.SiteID     `json:"site" swaggertype:"string" example:"hq"`
	Name        string          `json:"name" example:"vCenter Berlin"`
	Description string          `json:"description"`
	Type        string          `json:"type" example:"vsphere"` // one of GET /provider-types
	Address     string          `json:"address" example:"https://vc-1.example/sdk"`
	Enabled     bool            `json:"enabled" example:"true"`
	Credentials Credentials     `json:"credentials"`
	Options     json.RawMessage `json:"options" swaggertype:"object"` // as the type's schema says
	Preferred   Preference      `json:"preferredConnectionBroker"`
	Status      ProviderStatus  `json:"status"`
	Revision    farm.Revision   `json:"revision" swaggertype:"integer" format:"int64" example:"700"`
	CreatedAt   Time            `json:"createdAt" swaggertype:"string" format:"date-time"`
	UpdatedAt   Time            `json:"updatedAt" swaggertype:"string" format:"date-time"`
	Effects     []string        `json:"effects,omitempty"` // of a dry run: what would happen, a sentence each
} //@name Provider

// Credentials are what a Provider's agents log in with. The password is
// written, never read back.
type Credentials struct {
	Username string `json:"username" example:"svc-vdi"`
} //@name Credentials

// Preference is a Provider's Preferred Connection Broker.
type Preference struct {
	Mode   farm.PreferenceMode `json:"mode" swaggertype:"string" enums:"automatic,manual" example:"automatic"`
	Broker farm.BrokerID       `json:"broker,omitempty" swaggertype:"string" example:"cb-2"` // only with mode manual
} //@name Preference

// ProviderStatus is what can be said of a Provider.
type ProviderStatus struct {
	State       farm.ProviderState `json:"state" swaggertype:"string" enums:"connected,connecting,failed,unavailable,abandoned,disabled" example:"connected"`
	Reason      farm.Reason        `json:"reason" swaggertype:"string"`
	Message     string             `json:"message"`
	Since       *Time              `json:"since,omitempty" swaggertype:"string" format:"date-time"`
	Owner       farm.BrokerID      `json:"owner" swaggertype:"string" example:"cb-1"`              // empty: nobody
	Epoch       farm.Epoch         `json:"epoch" swaggertype:"integer" format:"int64" example:"7"` // counts its owners
	Home        farm.BrokerID      `json:"home" swaggertype:"string" example:"cb-1"`               // where it goes back to
	Preference  PreferenceStatus   `json:"preference"`
	OwnerSince  *Time              `json:"ownerSince,omitempty" swaggertype:"string" format:"date-time"`
	OwnerReason farm.Reason        `json:"ownerReason" swaggertype:"string" example:"initial"` // why it has this owner
	Hosts       HostCounts         `json:"hosts"`
} //@name ProviderStatus

// PreferenceStatus says whether a Provider's preference is honoured.
type PreferenceStatus struct {
	Honored bool        `json:"honored" example:"true"`
	Reason  farm.Reason `json:"reason" swaggertype:"string"` // why not
	Message string      `json:"message"`                     // in the answer to a create: which preference was chosen, and why
} //@name PreferenceStatus

// HostCounts counts a Provider's Hosts.
type HostCounts struct {
	Total     int `json:"total" example:"40"`
	Available int `json:"available" example:"38"` // to users
} //@name HostCounts

// providerOf shows a Provider.
func providerOf(p *farm.Picture, id farm.ProviderID) Provider {
	stored := p.Providers[id]
	v := stored.Value
	options := v.Options
	if len(options) == 0 {
		options = json.RawMessage("{}")
	}
	return Provider{
		ID: id, Site: p.Site.Value.ID, Name: v.Name, Description: v.Description, Type: v.Type, Address: v.Address,
		Enabled: v.Enabled, Credentials: Credentials{Username: v.Username}, Options: options,
		Preferred: Preference(v.Preferred), Status: providerStatusOf(p, id),
		Revision: stored.Revision, CreatedAt: Time{v.CreatedAt}, UpdatedAt: Time{v.UpdatedAt},
	}
}

func providerStatusOf(p *farm.Picture, id farm.ProviderID) ProviderStatus {
	st := p.ProviderStatus(id)
	return ProviderStatus{
		State: st.State, Reason: st.Reason, Message: st.Message, Since: since(st.Since), Owner: st.Owner, Epoch: st.Epoch,
		Home: st.Home, Preference: PreferenceStatus(st.Preference), OwnerSince: since(st.OwnerSince), OwnerReason: st.OwnerReason,
		Hosts: HostCounts{Total: st.Hosts, Available: st.Available},
	}
}

// ProviderBody is a Provider as a client sends it. What is left out has its
// default; credentials and preferredConnectionBroker stay.
type ProviderBody struct {
	ID          *string          `json:"id,omitempty" validate:"omitempty,id" example:"vc-1"` // required to create; else the one in the path
	Site        *string          `json:"site,omitempty" readonly:"true" example:"hq"`
	Name        *string          `json:"name,omitempty" validate:"omitempty,max=200,line" maxLength:"200" example:"vCenter Berlin"`
	Description *string          `json:"description,omitempty" validate:"omitempty,max=2000,text" maxLength:"2000"`
	Type        *string          `json:"type,omitempty" validate:"required,max=63,line" example:"vsphere"` // one of GET /provider-types
	Address     *string          `json:"address,omitempty" validate:"omitempty,max=2000,line" maxLength:"2000" example:"https://vc-1.example/sdk"`
	Enabled     *bool            `json:"enabled,omitempty" default:"true"`
	Credentials *CredentialsBody `json:"credentials,omitempty"`                  // left out: they stay; null removes them
	Options     json.RawMessage  `json:"options,omitempty" swaggertype:"object"` // as the type's schema says
	Preferred   *PreferenceBody  `json:"preferredConnectionBroker,omitempty"`    // left out on create: the Site chooses
	ReadOnly
} //@name ProviderBody

// CredentialsBody are credentials as a client sends them.
type CredentialsBody struct {
	Username *string `json:"username,omitempty" validate:"omitempty,max=200,line" maxLength:"200" example:"svc-vdi"`
	// Password is written and never read back. Left out, the one that is stored
	// stays; null or an empty one removes it.
	Password *string `json:"password,omitempty" validate:"omitempty,max=10000" format:"password"`
} //@name CredentialsBody

// PreferenceBody is a Preferred Connection Broker as a client sends it.
type PreferenceBody struct {
	Mode   *string `json:"mode,omitempty" validate:"required,oneof=automatic manual" enums:"automatic,manual" example:"manual"`
	Broker *string `json:"broker,omitempty" validate:"omitempty,id" example:"cb-2"` // required with mode manual; none with automatic
} //@name PreferenceBody

// apply returns the Provider with the body's settings, the preference aside if
// it was left out, and the secret to store; nil: the one stored stays.
func (b ProviderBody) apply(was farm.Provider) (farm.Provider, *string) {
	next := was
	next.Name, next.Description = or(b.Name, ""), or(b.Description, "")
	next.Type, next.Address, next.Enabled = or(b.Type, ""), or(b.Address, ""), or(b.Enabled, true)
	next.Options = compact(b.Options)
	if p := b.Preferred; p != nil {
		next.Preferred = farm.Preference{Mode: farm.PreferenceMode(or(p.Mode, "")), Broker: farm.BrokerID(or(p.Broker, ""))}
	}
	if b.Credentials == nil {
		return next, nil
	}
	next.Username = or(b.Credentials.Username, "")
	return next, b.Credentials.Password
}

// providerBody makes a valid body of a tree.
func providerBody(o object, at string) (ProviderBody, error) {
	b, err := into[ProviderBody](explicit(o), at)
	if err != nil {
		return b, err
	}
	if err := check(b, at); err != nil {
		return b, err
	}
	var f faults
	if options, ok := o["options"]; ok && options != nil {
		f.is(options, object{}, at+"/options")
	}
	if p := b.Preferred; p != nil {
		manual, named := or(p.Mode, "") == string(farm.PreferenceManual), or(p.Broker, "") != ""
		if manual && !named {
			f.add(at+"/preferredConnectionBroker/broker", "is required with mode manual")
		}
		if !manual && named {
			f.add(at+"/preferredConnectionBroker/broker", "must be left out with mode automatic")
		}
	}
	return b, f.err()
}

// explicit returns the body with credentials that are null made empty ones:
// null removes them, while what is left out stays.
func explicit(o object) object {
	creds, given := o["credentials"]
	if !given {
		return o
	}
	next := maps.Clone(o)
	switch c := creds.(type) {
	case nil:
		next["credentials"] = object{"username": "", "password": ""}
	case object:
		if password, given := c["password"]; given && password == nil {
			c = maps.Clone(c)
			c["password"] = ""
			next["credentials"] = c
		}
	}
	return next
}

// patchedProvider is the whole Provider that a merge patch makes. A preference
// set to automatic loses its broker.
func patchedProvider(p *farm.Picture, id farm.ProviderID, patch object) (object, error) {
	patch = explicit(patch)
	if pref, ok := patch["preferredConnectionBroker"].(object); ok && pref["mode"] == string(farm.PreferenceAutomatic) {
		if _, named := pref["broker"]; !named {
			patch = maps.Clone(patch)
			pref = maps.Clone(pref)
			pref["broker"] = nil
			patch["preferredConnectionBroker"] = pref
		}
	}
	return patched(providerOf(p, id), patch)
}

// maxOptions is how many bytes of options a Provider may have. With all other
// fields at their longest it still fits into one write of etcd, which takes 1.5 MiB.
const maxOptions = 1 << 20

// fits refuses settings that the Provider's type does not take.
func (a *API) fits(v farm.Provider, secret, at string) error {
	if len(v.Options) > maxOptions {
		return invalid(Fault{at + "/options", "must be at most 1 MiB of JSON"})
	}
	var f faults
	for _, fault := range a.Kinds.Check(v, secret) {
		f.add(at+fault.Pointer, "%s", fault.Detail)
	}
	return f.err()
}

// unknownBroker makes the refusal of a broker that a field names a fault of
// that field.
func unknownBroker(err error, at string) error {
	var v *farm.Violation
	if !errors.As(err, &v) || v.Code != farm.CodeUnknownBroker {
		return err
	}
	p := problemOf(v)
	p.Errors = []Fault{{at, "is not a broker of the Site"}}
	return p
}

const preferredBroker = "/preferredConnectionBroker/broker"

// providerFrom makes the new settings of a stored Provider from a whole body.
func (a *API) providerFrom(p *farm.Picture, was farm.Stored[farm.Provider], o object, k known, at string) (farm.Provider, *string, error) {
	b, err := providerBody(o, at)
	if err != nil {
		return farm.Provider{}, nil, err
	}
	var f faults
	fixed(&f, at+"/id", b.ID, string(was.Value.ID))
	fixed(&f, at+"/site", b.Site, string(p.Site.Value.ID))
	b.check(&f, at, was.Revision, was.Value.CreatedAt, was.Value.UpdatedAt)
	if err := f.err(); err != nil {
		return farm.Provider{}, nil, err
	}
	next, secret := b.apply(was.Value)
	if err := a.fits(next, or(secret, ""), at); err != nil {
		return farm.Provider{}, nil, err
	}
	if err := keepsPassword(was, next, k, secret, at); err != nil {
		return farm.Provider{}, nil, err
	}
	return next, secret, unknownBroker(farm.CheckPreference(p, was.Value.Preferred, next.Preferred), at+preferredBroker)
}

// sameProvider reports whether nothing but times differs.
func sameProvider(a, b farm.Provider) bool {
	return sameTarget(a, b) && a.Name == b.Name && a.Description == b.Description &&
		a.Enabled == b.Enabled && a.Preferred == b.Preferred && a.MovedTo == b.MovedTo
}

// putProvider is the change that stores new settings of a Provider.
func (wr *write) putProvider(p *farm.Picture, next farm.Provider, secret *string) store.Change {
	if secret == nil && sameProvider(next, p.Providers[next.ID].Value) {
		return store.Change{}
	}
	next.UpdatedAt = wr.now
	c := store.Change{PutProvider: &next, Secret: secret}
	c.Events = told(farm.ProviderSubject(next.ID), "%s", providerNews(p, next.ID, tried(p, c), secret != nil))
	return c
}

// providerNews says how a Provider's settings have changed.
func providerNews(p *farm.Picture, id farm.ProviderID, after *farm.Picture, newSecret bool) string {
	was, is := p.Providers[id].Value, after.Providers[id].Value
	switch {
	case was.Enabled && !is.Enabled:
		return fmt.Sprintf("%s was disabled", id)
	case !was.Enabled && is.Enabled:
		return fmt.Sprintf("%s was enabled", id)
	case is.MovedTo != "" && was.MovedTo != is.MovedTo:
		return fmt.Sprintf("%s is to be moved to %s", id, is.MovedTo)
	case was.MovedTo != "" && is.MovedTo == "":
		return fmt.Sprintf("%s was unpinned from %s", id, was.MovedTo)
	case was.Preferred != is.Preferred && is.Preferred.Mode == farm.PreferenceAutomatic:
		return fmt.Sprintf("%s was set to automatic", id)
	case was.Preferred != is.Preferred:
		return fmt.Sprintf("%s was set to prefer %s", id, is.Preferred.Broker)
	}
	names := changed(providerOf(p, id), providerOf(after, id), "name", "description", "type", "address", "options", "credentials")
	if newSecret {
		names = append(names, "password")
	}
	return fmt.Sprintf("%s was changed (%s)", id, strings.Join(names, ", "))
}

// provider returns the stored Provider that a write is for, if its If-Match holds.
func (wr *write) provider(p *farm.Picture, id farm.ProviderID) (farm.Stored[farm.Provider], error) {
	if p == nil {
		return farm.Stored[farm.Provider]{}, noSite(wr.site)
	}
	was, ok := p.Providers[id]
	if !ok {
		return was, noProvider(id)
	}
	return was, wr.ifMatch.match(was.Revision)
}

// changeProvider carries out a change of a stored Provider.
func (a *API) changeProvider(w http.ResponseWriter, r *http.Request, wr *write, next func(*farm.Picture, farm.Stored[farm.Provider]) (farm.Provider, *string, error)) error {
	id := providerID(r)
	err := a.commit(r.Context(), wr, func(p *farm.Picture) (store.Change, error) {
		was, err := wr.provider(p, id)
		if err != nil {
			return store.Change{}, err
		}
		v, secret, err := next(p, was)
		if err != nil {
			return store.Change{}, err
		}
		return wr.putProvider(p, v, secret), nil
	})
	if err != nil {
		return err
	}
	return wr.replyProvider(w, http.StatusOK, id, "")
}

// replyProvider answers with a Provider; why says how its preference was chosen.
func (wr *write) replyProvider(w http.ResponseWriter, status int, id farm.ProviderID, why string) error {
	if _, ok := wr.after.Providers[id]; !ok {
		return noProvider(id) // deleted at once by somebody else
	}
	v := providerOf(wr.after, id)
	v.Effects = wr.effects
	if why != "" {
		v.Status.Preference.Message = why
	}
	return wr.reply(w, status, fmt.Sprintf("%s/%s/providers/%s", sites, wr.site, id), v.Revision, v)
}

// listProviders lists a Site's Providers.
//
//	@Summary		List a Site's Providers
//	@Description	Lists Providers in order of id. All pages of one walk show one revision.
//	@ID				listProviders
//	@Tags			Providers
//	@Produce		json
//	@Param			site		path		string			true	"The Site's id."
//	@Param			limit		query		int				false	"How many Providers a page has."	default(100)	minimum(1)	maximum(1000)
//	@Param			continue	query		string			false	"From the page before: shows the next one."
//	@Success		200			{object}	Page[Provider]	"One page of Providers."
//	@Router			/api/v1/sites/{site}/providers [get]
func (a *API) listProviders(w http.ResponseWriter, r *http.Request) error {
	wk, err := walkOf(r)
	if err != nil {
		return err
	}
	p, at, err := a.listed(r.Context(), siteID(r), wk)
	if err != nil {
		return err
	}
	ids := slices.Sorted(maps.Keys(p.Providers))
	return reply(w, http.StatusOK, pageOf(wk, at, ids, func(id farm.ProviderID) Provider { return providerOf(p, id) }))
}

// createProvider creates a Provider.
//
//	@Summary		Create a Provider
//	@Description	Creates a Provider. `id` and `type` are required. Left out, the Preferred Connection Broker is Automatic while three or more active brokers are available, else the first available one; `status.preference.message` of the answer says which was chosen and why.
//	@ID				createProvider
//	@Tags			Providers
//	@Accept			json
//	@Produce		json
//	@Param			site	path		string			true	"The Site's id."
//	@Param			dryRun	query		bool			false	"Answer what would be stored and what it would do, and store nothing."
//	@Param			body	body		ProviderBody	true	"The Provider."
//	@Success		201		{object}	Provider		"The Provider was created."
//	@Success		200		{object}	Provider		"A dry run: the Provider as it would be, with `effects`."
//	@Header			201		{string}	Location		"The path of the Provider."
//	@Header			201		{string}	ETag			"The revision of the Provider's settings."
//	@Router			/api/v1/sites/{site}/providers [post]
func (a *API) createProvider(w http.ResponseWriter, r *http.Request) error {
	wr, err := a.writeOf(r)
	if err != nil {
		return err
	}
	o, err := readObject(r, jsonType)
	if err != nil {
		return err
	}
	b, err := providerBody(o, "")
	if err != nil {
		return err
	}
	if err := absent(b.ID, b.ReadOnly); err != nil {
		return err
	}
	var why string // decide may run several times; the last one counts
	err = a.commit(r.Context(), wr, func(p *farm.Picture) (c store.Change, err error) {
		c, why, err = a.newProvider(wr, p, b)
		return c, err
	})
	if err != nil {
		return err
	}
	return wr.replyProvider(w, http.StatusCreated, farm.ProviderID(*b.ID), why)
}

func (a *API) newProvider(wr *write, p *farm.Picture, b ProviderBody) (store.Change, string, error) {
	id := farm.ProviderID(*b.ID)
	if p == nil {
		return store.Change{}, "", noSite(wr.site)
	}
	if _, ok := p.Providers[id]; ok {
		return store.Change{}, "", problem("already-exists", "The Site has a Provider %q already. Choose another id, or change it by PUT or PATCH.", id)
	}
	var f faults
	fixed(&f, "/site", b.Site, string(wr.site))
	if err := f.err(); err != nil {
		return store.Change{}, "", err
	}
	v, secret := b.apply(farm.Provider{ID: id, CreatedAt: wr.now, UpdatedAt: wr.now})
	if err := a.fits(v, or(secret, ""), ""); err != nil {
		return store.Change{}, "", err
	}
	chosen, why, err := farm.ChoosePreference(p, v.Preferred)
	if err != nil {
		return store.Change{}, "", unknownBroker(err, preferredBroker)
	}
	v.Preferred = chosen
	return store.Change{PutProvider: &v, Secret: secret, Events: told(farm.ProviderSubject(id), "%s was added", id)},
		strings.TrimSpace("The Preferred Connection Broker is " + preferenceName(chosen) + ". " + why), nil
}

func preferenceName(p farm.Preference) string {
	if p.Mode == farm.PreferenceManual {
		return string(p.Broker)
	}
	return string(p.Mode)
}

// getProvider shows a Provider.
//
//	@Summary		Get a Provider
//	@Description	The ETag is the revision of the Provider's settings: the status moves on without it, so a 304 speaks of the settings only.
//	@ID				getProvider
//	@Tags			Providers
//	@Produce		json
//	@Param			site			path		string		true	"The Site's id."
//	@Param			provider		path		string		true	"The Provider's id."
//	@Param			If-None-Match	header		string		false	"The ETag that the client has."
//	@Success		200				{object}	Provider	"The Provider."
//	@Header			200				{string}	ETag		"The revision of the Provider's settings."
//	@Success		304				"The settings are those of the ETag."
//	@Router			/api/v1/sites/{site}/providers/{provider} [get]
func (a *API) getProvider(w http.ResponseWriter, r *http.Request) error {
	p, err := a.current(r)
	if err != nil {
		return err
	}
	v, ok := p.Providers[providerID(r)]
	if !ok {
		return noProvider(providerID(r))
	}
	return replyOne(w, r, v.Revision, providerOf(p, providerID(r)))
}

// putProvider replaces a Provider's settings.
//
//	@Summary		Replace a Provider's settings
//	@Description	What is left out gets its default, except credentials, a password within them, and preferredConnectionBroker: left out, those stay. A password of null or "" removes it. While a password is stored, a new type, address, username or options need it again. `status`, `revision` and the times may be sent back as they were read.
//	@ID				putProvider
//	@Tags			Providers
//	@Accept			json
//	@Produce		json
//	@Param			site		path		string			true	"The Site's id."
//	@Param			provider	path		string			true	"The Provider's id."
//	@Param			If-Match	header		string			true	"The ETag of the settings that are replaced, or *."
//	@Param			dryRun		query		bool			false	"Answer what would be stored and what it would do, and store nothing."
//	@Param			body		body		ProviderBody	true	"The settings."
//	@Success		200			{object}	Provider		"The Provider as stored."
//	@Header			200			{string}	ETag			"The revision of the Provider's settings."
//	@Router			/api/v1/sites/{site}/providers/{provider} [put]
func (a *API) putProvider(w http.ResponseWriter, r *http.Request) error {
	return a.setProvider(w, r, replaced, jsonType)
}

// patchProvider changes some of a Provider's settings.
//
//	@Summary		Change some of a Provider's settings
//	@Description	A JSON merge patch (RFC 7396): what is left out stays, null gives the default. A password is changed by `{"credentials":{"password":"…"}}` and removed by null. While a password is stored, a new type, address, username or options need it again.
//	@ID				patchProvider
//	@Tags			Providers
//	@Accept			json
//	@Produce		json
//	@Param			site		path		string			true	"The Site's id."
//	@Param			provider	path		string			true	"The Provider's id."
//	@Param			If-Match	header		string			false	"The ETag of the settings that are changed."
//	@Param			dryRun		query		bool			false	"Answer what would be stored and what it would do, and store nothing."
//	@Param			body		body		ProviderBody	true	"The settings to change."
//	@Success		200			{object}	Provider		"The Provider as stored."
//	@Header			200			{string}	ETag			"The revision of the Provider's settings."
//	@Router			/api/v1/sites/{site}/providers/{provider} [patch]
func (a *API) patchProvider(w http.ResponseWriter, r *http.Request) error {
	return a.setProvider(w, r, func(p *farm.Picture, sent object) (object, error) { return patchedProvider(p, providerID(r), sent) }, jsonType, mergePatchType)
}

// setProvider carries out PUT and PATCH.
func (a *API) setProvider(w http.ResponseWriter, r *http.Request, all whole, types ...string) error {
	wr, err := a.writeOf(r)
	if err != nil {
		return err
	}
	sent, err := readObject(r, types...)
	if err != nil {
		return err
	}
	id := providerID(r)
	err = a.checkStatus(r, sent, func(p *farm.Picture) farm.Revision { return p.Providers[id].Revision },
		func(p *farm.Picture) any { return providerStatusOf(p, id) })
	if err != nil {
		return err
	}
	var k known
	for {
		err := a.changeProvider(w, r, wr, func(p *farm.Picture, was farm.Stored[farm.Provider]) (farm.Provider, *string, error) {
			o, err := all(p, sent)
			if err != nil {
				return farm.Provider{}, nil, err
			}
			return a.providerFrom(p, was, o, k, "")
		})
		if !errors.Is(err, errNotKnown) {
			return err
		}
		if k, err = a.hasPassword(r.Context(), wr.site, id); err != nil {
			return err
		}
	}
}

// deleteProvider deletes a Provider.
//
//	@Summary		Delete a Provider
//	@Description	Deletes a Provider with its secret. Its owner disconnects from it and its Hosts are no longer listed; nothing is done to the Hosts.
//	@ID				deleteProvider
//	@Tags			Providers
//	@Produce		json
//	@Param			site		path		string	true	"The Site's id."
//	@Param			provider	path		string	true	"The Provider's id."
//	@Param			If-Match	header		string	false	"The ETag of the settings that are deleted."
//	@Param			dryRun		query		bool	false	"Answer what it would do, and delete nothing."
//	@Success		204			"The Provider is deleted."
//	@Success		200			{object}	Effects	"A dry run: what would happen."
//	@Router			/api/v1/sites/{site}/providers/{provider} [delete]
func (a *API) deleteProvider(w http.ResponseWriter, r *http.Request) error {
	wr, err := a.writeOf(r)
	if err != nil {
		return err
	}
	id := providerID(r)
	err = a.commit(r.Context(), wr, func(p *farm.Picture) (store.Change, error) {
		if _, err := wr.provider(p, id); err != nil {
			return store.Change{}, err
		}
		return store.Change{DeleteProvider: id, Events: told(farm.ProviderSubject(id), "%s was deleted", id)}, nil
	})
	if err != nil {
		return err
	}
	return wr.replyDeleted(w)
}

// Move names the broker that a Provider is to move to.
type Move struct {
	Broker *string `json:"broker,omitempty" validate:"required,id" example:"cb-2"`
} //@name Move

// moveProvider moves a Provider.
//
//	@Summary		Move a Provider
//	@Description	Makes a broker the Provider's home until another move or an unpin: the Provider moves there by a planned handover. The Provider must be enabled, the Site must not have lost high availability, and the broker must be able to own the Provider now.
//	@ID				moveProvider
//	@Tags			Providers
//	@Accept			json
//	@Produce		json
//	@Param			site		path		string		true	"The Site's id."
//	@Param			provider	path		string		true	"The Provider's id."
//	@Param			If-Match	header		string		false	"The ETag of the Provider's settings."
//	@Param			dryRun		query		bool		false	"Answer what it would do, and store nothing."
//	@Param			body		body		Move		true	"Where to."
//	@Success		200			{object}	Provider	"The Provider; the handover follows."
//	@Header			200			{string}	ETag		"The revision of the Provider's settings."
//	@Router			/api/v1/sites/{site}/providers/{provider}/move [post]
func (a *API) moveProvider(w http.ResponseWriter, r *http.Request) error {
	wr, err := a.writeOf(r)
	if err != nil {
		return err
	}
	o, err := readObject(r, jsonType)
	if err != nil {
		return err
	}
	m, err := into[Move](o, "")
	if err != nil {
		return err
	}
	if err := check(m, ""); err != nil {
		return err
	}
	return a.changeProvider(w, r, wr, func(p *farm.Picture, was farm.Stored[farm.Provider]) (farm.Provider, *string, error) {
		if err := farm.CheckMovable(p, was.Value); err != nil {
			return farm.Provider{}, nil, err
		}
		was.Value.MovedTo = farm.BrokerID(*m.Broker)
		return was.Value, nil, unknownBroker(farm.CheckMove(p, was.Value.MovedTo), "/broker")
	})
}

// unpinProvider undoes a move.
//
//	@Summary		Unpin a Provider
//	@Description	Undoes a move: the Provider's settings alone say where its home is. Unpinning a Provider that was not moved changes nothing.
//	@ID				unpinProvider
//	@Tags			Providers
//	@Produce		json
//	@Param			site		path		string		true	"The Site's id."
//	@Param			provider	path		string		true	"The Provider's id."
//	@Param			If-Match	header		string		false	"The ETag of the Provider's settings."
//	@Param			dryRun		query		bool		false	"Answer what it would do, and store nothing."
//	@Success		200			{object}	Provider	"The Provider."
//	@Header			200			{string}	ETag		"The revision of the Provider's settings."
//	@Router			/api/v1/sites/{site}/providers/{provider}/unpin [post]
func (a *API) unpinProvider(w http.ResponseWriter, r *http.Request) error {
	wr, err := a.writeOf(r)
	if err != nil {
		return err
	}
	if err := readNothing(r); err != nil {
		return err
	}
	return a.changeProvider(w, r, wr, func(_ *farm.Picture, was farm.Stored[farm.Provider]) (farm.Provider, *string, error) {
		was.Value.MovedTo = ""
		return was.Value, nil, nil
	})
}

// ConnectionTest is how an attempt to connect went.
type ConnectionTest struct {
	OK      bool          `json:"ok"`
	Reason  farm.Reason   `json:"reason" swaggertype:"string" enums:",connection-failed,invalid-credentials,certificate-untrusted,unsupported-version,timeout"` // why not
	Message string        `json:"message"`
	Hosts   int           `json:"hosts" example:"40"`                         // that were found
	Took    Duration      `json:"took" swaggertype:"string" example:"180ms"`  // how long it took
	Broker  farm.BrokerID `json:"broker" swaggertype:"string" example:"cb-1"` // whose server tried
} //@name ConnectionTest

// testProvider tries to connect to a Provider.
//
//	@Summary		Test a Provider's connection
//	@Description	Tries to connect to the Provider as it is stored, from the server that is asked. Nothing is stored and its owner is not disturbed. A connection that fails is answered with 200 and `ok` false.
//	@ID				testProvider
//	@Tags			Providers
//	@Produce		json
//	@Param			site		path		string			true	"The Site's id."
//	@Param			provider	path		string			true	"The Provider's id."
//	@Success		200			{object}	ConnectionTest	"How it went."
//	@Router			/api/v1/sites/{site}/providers/{provider}/test [post]
func (a *API) testProvider(w http.ResponseWriter, r *http.Request) error {
	if err := readNothing(r); err != nil {
		return err
	}
	v, secret, err := a.tested(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.TestTimeout)
	defer cancel()
	t := a.Kinds.Test(ctx, v, secret)
	if !t.OK {
		a.Log.InfoContext(r.Context(), "test did not connect", "site", siteID(r), "provider", v.ID, "reason", t.Reason, "err", t.Err)
	}
	return reply(w, http.StatusOK, ConnectionTest{OK: t.OK, Reason: t.Reason, Message: t.Message, Hosts: t.Hosts, Took: Duration(t.Took), Broker: a.Self.Broker})
}

// tested reads the request's Provider and its password, within the time of a
// request.
func (a *API) tested(r *http.Request) (farm.Provider, string, error) {
	ctx, cancel := context.WithTimeout(r.Context(), a.RequestTimeout)
	defer cancel()
	v, secret, err := a.withPassword(ctx, siteID(r), providerID(r))
	switch {
	case errors.Is(err, store.ErrSecretKey):
		err = errSealed(providerID(r))
	case err == nil && v.Revision == 0:
		err = noProvider(providerID(r))
	}
	return v.Value, secret, err
}

// ProviderTypes lists kinds of Provider.
type ProviderTypes struct {
	Items []ProviderType `json:"items"`
} //@name ProviderTypeList

// listProviderTypes lists the kinds of Provider.
//
//	@Summary		List the types of Provider
//	@Description	Lists what `type` of a Provider can be, each with the JSON schema of its `options`.
//	@ID				listProviderTypes
//	@Tags			Providers
//	@Produce		json
//	@Success		200	{object}	ProviderTypes	"All types."
//	@Router			/api/v1/provider-types [get]
func (a *API) listProviderTypes(w http.ResponseWriter, _ *http.Request) error {
	types := a.Kinds.Types()
	if types == nil {
		types = []ProviderType{}
	}
	return reply(w, http.StatusOK, ProviderTypes{Items: types})
}
