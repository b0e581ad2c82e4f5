package handlers

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// Site is a Site as it is answered.
type Site struct {
	ID               farm.SiteID     `json:"id" swaggertype:"string" example:"hq"`
	Name             string          `json:"name" example:"Headquarters"`
	Description      string          `json:"description" example:""`
	Failback         Failback        `json:"failback"`
	TieBreaker       farm.TieBreaker `json:"tieBreaker" swaggertype:"string" enums:"none,priority" example:"none"` // what happens when exactly half of the seats are in contact
	Failsafe         bool            `json:"failsafe" example:"true"`                                              // owners keep serving while etcd as a whole is away, as long as all of them tell each other that nobody has it
	MaxParallelMoves int             `json:"maxParallelMoves" example:"8"`                                         // planned handovers at once
	Status           SiteStatus      `json:"status"`
	Revision         farm.Revision   `json:"revision" swaggertype:"integer" format:"int64" example:"812"`
	CreatedAt        Time            `json:"createdAt" swaggertype:"string" format:"date-time"`
	UpdatedAt        Time            `json:"updatedAt" swaggertype:"string" format:"date-time"`
	Effects          []string        `json:"effects,omitempty"` // of a dry run: what would happen, a sentence each
} //@name Site

// Failback is how Providers go home after a loss.
type Failback struct {
	Mode     farm.FailbackMode `json:"mode" swaggertype:"string" enums:"automatic,manual" example:"automatic"`
	HoldDown Duration          `json:"holdDown" swaggertype:"string" example:"10s"` // how long a lost broker must be back and steady
} //@name Failback

// SiteStatus is what can be said of a Site.
type SiteStatus struct {
	HighAvailability HighAvailability `json:"highAvailability"`
	Coordinator      farm.BrokerID    `json:"coordinator" swaggertype:"string" example:"cb-1"` // empty: none is elected
	Brokers          BrokerCounts     `json:"brokers"`
	Providers        ProviderCounts   `json:"providers"`
	// Contact says of each broker with which others it is in contact.
	Contact  map[farm.BrokerID]map[farm.BrokerID]bool `json:"contact" swaggertype:"object,object"`
	Warnings []Warning                                `json:"warnings"`
} //@name SiteStatus

// HighAvailability is the verdict on a Site's high availability.
type HighAvailability struct {
	State    farm.State  `json:"state" swaggertype:"string" enums:"off,on,degraded,lost" example:"on"`
	Reason   farm.Reason `json:"reason" swaggertype:"string" example:"all-seats-occupied"`
	Message  string      `json:"message" example:"3 of 3 seats are occupied; a majority is 2."`
	Since    *Time       `json:"since,omitempty" swaggertype:"string" format:"date-time"` // left out while it is not known
	Seats    []Seat      `json:"seats"`
	Majority int         `json:"majority" example:"2"`
} //@name HighAvailability

// Seat is one vote.
type Seat struct {
	Broker   farm.BrokerID `json:"broker" swaggertype:"string" example:"cb-2"`   // whose seat it is
	Occupant farm.BrokerID `json:"occupant" swaggertype:"string" example:"cb-4"` // who sits on it; empty: nobody
} //@name Seat

// BrokerCounts counts a Site's brokers.
type BrokerCounts struct {
	Total   int `json:"total" example:"4"`
	Online  int `json:"online" example:"3"`
	Active  int `json:"active" example:"3"`
	Standby int `json:"standby" example:"0"`
} //@name BrokerCounts

// ProviderCounts counts a Site's Providers by state; the states add up to the
// total.
type ProviderCounts struct {
	Total       int `json:"total" example:"5"`
	Connected   int `json:"connected" example:"5"`
	Connecting  int `json:"connecting" example:"0"`
	Failed      int `json:"failed" example:"0"`
	Unavailable int `json:"unavailable" example:"0"`
	Abandoned   int `json:"abandoned" example:"0"`
	Disabled    int `json:"disabled" example:"0"`
} //@name ProviderCounts

// Warning is something an administrator should look at.
type Warning struct {
	Code    string `json:"code" example:"even-seat-count"`
	Message string `json:"message"`
} //@name Warning

// siteOf shows a Site.
func siteOf(p *farm.Picture) Site {
	s := p.Site.Value
	return Site{
		ID: s.ID, Name: s.Name, Description: s.Description,
		Failback:   Failback{Mode: s.Failback.Mode, HoldDown: Duration(s.Failback.HoldDown)},
		TieBreaker: s.TieBreaker, Failsafe: s.Failsafe, MaxParallelMoves: s.MaxParallelMoves,
		Status: siteStatusOf(p), Revision: p.Site.Revision, CreatedAt: Time{s.CreatedAt}, UpdatedAt: Time{s.UpdatedAt},
	}
}

func siteStatusOf(p *farm.Picture) SiteStatus {
	st := p.SiteStatus()
	warnings := make([]Warning, 0, len(st.Warnings))
	for _, w := range st.Warnings {
		warnings = append(warnings, Warning(w))
	}
	return SiteStatus{
		HighAvailability: highAvailabilityOf(st.HighAvailability), Coordinator: st.Coordinator,
		Brokers: BrokerCounts(st.Brokers), Providers: ProviderCounts(st.Providers), Contact: st.Contact, Warnings: warnings,
	}
}

func highAvailabilityOf(h farm.HighAvailability) HighAvailability {
	seats := make([]Seat, 0, len(h.Seats))
	for _, s := range h.Seats {
		seats = append(seats, Seat(s))
	}
	return HighAvailability{State: h.State, Reason: h.Reason, Message: h.Message, Since: since(h.Since), Seats: seats, Majority: h.Majority}
}

// SiteBody is a Site as a client sends it. What is left out has its default.
type SiteBody struct {
	ID               *string       `json:"id,omitempty" validate:"omitempty,id" example:"hq"` // required to create; else the one in the path
	Name             *string       `json:"name,omitempty" validate:"omitempty,max=200,line" maxLength:"200" example:"Headquarters"`
	Description      *string       `json:"description,omitempty" validate:"omitempty,max=2000,text" maxLength:"2000"`
	Failback         *FailbackBody `json:"failback,omitempty"`
	TieBreaker       *string       `json:"tieBreaker,omitempty" validate:"omitempty,oneof=none priority" enums:"none,priority" default:"none"`
	Failsafe         *bool         `json:"failsafe,omitempty" default:"true"`
	MaxParallelMoves *int          `json:"maxParallelMoves,omitempty" validate:"omitempty,min=1,max=1000" minimum:"1" maximum:"1000" default:"8"`
	ReadOnly
} //@name SiteBody

// FailbackBody is Failback as a client sends it.
type FailbackBody struct {
	Mode     *string   `json:"mode,omitempty" validate:"omitempty,oneof=automatic manual" enums:"automatic,manual" default:"automatic"`
	HoldDown *Duration `json:"holdDown,omitempty" validate:"omitempty,min=0s,max=24h" swaggertype:"string" default:"10s"` // from 0s to 24h
} //@name FailbackBody

// apply returns the Site with the body's settings.
func (b SiteBody) apply(was farm.Site) farm.Site {
	next := farm.NewSite(was.ID)
	next.CreatedAt, next.UpdatedAt = was.CreatedAt, was.UpdatedAt
	next.Name, next.Description = or(b.Name, ""), or(b.Description, "")
	next.Failsafe = or(b.Failsafe, next.Failsafe)
	next.TieBreaker = farm.TieBreaker(or(b.TieBreaker, string(next.TieBreaker)))
	next.MaxParallelMoves = or(b.MaxParallelMoves, next.MaxParallelMoves)
	if f := b.Failback; f != nil {
		next.Failback.Mode = farm.FailbackMode(or(f.Mode, string(next.Failback.Mode)))
		next.Failback.HoldDown = asDuration(f.HoldDown, next.Failback.HoldDown)
	}
	return next
}

// siteBody makes a valid body of a tree.
func siteBody(o object, at string) (SiteBody, error) {
	b, err := into[SiteBody](o, at)
	if err != nil {
		return b, err
	}
	return b, check(b, at)
}

// siteFrom makes the new settings of the Site from a whole body.
func siteFrom(p *farm.Picture, o object, at string) (farm.Site, error) {
	b, err := siteBody(o, at)
	if err != nil {
		return farm.Site{}, err
	}
	was := p.Site.Value
	var f faults
	fixed(&f, at+"/id", b.ID, string(was.ID))
	b.check(&f, at, p.Site.Revision, was.CreatedAt, was.UpdatedAt)
	return b.apply(was), f.err()
}

// putSite is the change that stores new settings of the Site.
func (wr *write) putSite(p *farm.Picture, next farm.Site) store.Change {
	if next == p.Site.Value {
		return store.Change{}
	}
	next.UpdatedAt = wr.now
	after := *p
	after.Site.Value = next
	names := changed(siteOf(p), siteOf(&after), "name", "description", "failback", "tieBreaker", "failsafe", "maxParallelMoves")
	return store.Change{PutSite: &next, Events: told(farm.SiteSubject, "Site %s was changed (%s)", next.ID, strings.Join(names, ", "))}
}

// listSites lists the Sites.
//
//	@Summary		List Sites
//	@Description	Lists the Farm's Sites in order of id. All pages of one walk show one revision.
//	@ID				listSites
//	@Tags			Sites
//	@Produce		json
//	@Param			limit		query		int			false	"How many Sites a page has."	default(100)	minimum(1)	maximum(1000)
//	@Param			continue	query		string		false	"From the page before: shows the next one."
//	@Success		200			{object}	Page[Site]	"One page of Sites."
//	@Router			/api/v1/sites [get]
func (a *API) listSites(w http.ResponseWriter, r *http.Request) error {
	wk, err := walkOf(r)
	if err != nil {
		return err
	}
	view, err := a.Store.Current(r.Context())
	if err != nil {
		return fmt.Errorf("read Farm: %w", err)
	}
	all, at, err := a.sitesAt(r.Context(), view, wk)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, pageOf(wk, at, all, siteOf))
}

// sitesAt returns the Sites that a walk lists. A Site that was deleted during
// the walk is left out.
func (a *API) sitesAt(ctx context.Context, view *store.View, wk walk) ([]*farm.Picture, farm.Revision, error) {
	at := wk.at
	if at == 0 {
		at = view.Revision
	}
	var all []*farm.Picture
	for _, id := range slices.Sorted(maps.Keys(view.Sites)) {
		p, err := a.at(ctx, view, id, at)
		if err != nil {
			return nil, 0, err
		}
		if p != nil {
			all = append(all, p)
		}
	}
	return all, at, nil
}

// createSite creates a Site.
//
//	@Summary		Create a Site
//	@Description	Creates a Site. `id` is required; every setting that is left out has its default.
//	@ID				createSite
//	@Tags			Sites
//	@Accept			json
//	@Produce		json
//	@Param			dryRun	query		bool		false	"Answer what would be stored and what it would do, and store nothing."
//	@Param			body	body		SiteBody	true	"The Site."
//	@Success		201		{object}	Site		"The Site was created."
//	@Success		200		{object}	Site		"A dry run: the Site as it would be, with `effects`."
//	@Header			201		{string}	Location	"The path of the Site."
//	@Header			201		{string}	ETag		"The revision of the Site's settings."
//	@Router			/api/v1/sites [post]
func (a *API) createSite(w http.ResponseWriter, r *http.Request) error {
	wr, err := a.writeOf(r)
	if err != nil {
		return err
	}
	o, err := readObject(r, jsonType)
	if err != nil {
		return err
	}
	b, err := siteBody(o, "")
	if err != nil {
		return err
	}
	if err := absent(b.ID, b.ReadOnly); err != nil {
		return err
	}
	wr.site = farm.SiteID(*b.ID)
	err = a.commit(r.Context(), wr, func(p *farm.Picture) (store.Change, error) {
		if p != nil && p.Site.Revision != 0 {
			return store.Change{}, problem("already-exists", "There is a Site %q already. Choose another id, or change it by PUT or PATCH.", wr.site)
		}
		s := b.apply(farm.Site{ID: wr.site, CreatedAt: wr.now, UpdatedAt: wr.now})
		return store.Change{PutSite: &s, Events: told(farm.SiteSubject, "Site %s was created", s.ID)}, nil
	})
	if err != nil {
		return err
	}
	return wr.replySite(w, http.StatusCreated)
}

func (wr *write) replySite(w http.ResponseWriter, status int) error {
	s := siteOf(wr.after)
	s.Effects = wr.effects
	return wr.reply(w, status, sites+"/"+string(s.ID), s.Revision, s)
}

// getSite shows a Site.
//
//	@Summary		Get a Site
//	@Description	The ETag is the revision of the Site's settings: the status moves on without it, so a 304 speaks of the settings only.
//	@ID				getSite
//	@Tags			Sites
//	@Produce		json
//	@Param			site			path		string	true	"The Site's id."
//	@Param			If-None-Match	header		string	false	"The ETag that the client has."
//	@Success		200				{object}	Site	"The Site."
//	@Header			200				{string}	ETag	"The revision of the Site's settings."
//	@Success		304				"The settings are those of the ETag."
//	@Router			/api/v1/sites/{site} [get]
func (a *API) getSite(w http.ResponseWriter, r *http.Request) error {
	p, err := a.current(r)
	if err != nil {
		return err
	}
	return replyOne(w, r, p.Site.Revision, siteOf(p))
}

// putSite replaces a Site's settings.
//
//	@Summary		Replace a Site's settings
//	@Description	What is left out gets its default. `status`, `revision` and the times may be sent back as they were read.
//	@ID				putSite
//	@Tags			Sites
//	@Accept			json
//	@Produce		json
//	@Param			site		path		string		true	"The Site's id."
//	@Param			If-Match	header		string		true	"The ETag of the settings that are replaced, or *."
//	@Param			dryRun		query		bool		false	"Answer what would be stored and what it would do, and store nothing."
//	@Param			body		body		SiteBody	true	"The settings."
//	@Success		200			{object}	Site		"The Site as stored."
//	@Header			200			{string}	ETag		"The revision of the Site's settings."
//	@Router			/api/v1/sites/{site} [put]
func (a *API) putSite(w http.ResponseWriter, r *http.Request) error {
	return a.changeSite(w, r, replaced, jsonType)
}

// patchSite changes some of a Site's settings.
//
//	@Summary		Change some of a Site's settings
//	@Description	A JSON merge patch (RFC 7396): what is left out stays, null gives the default.
//	@ID				patchSite
//	@Tags			Sites
//	@Accept			json
//	@Produce		json
//	@Param			site		path		string		true	"The Site's id."
//	@Param			If-Match	header		string		false	"The ETag of the settings that are changed."
//	@Param			dryRun		query		bool		false	"Answer what would be stored and what it would do, and store nothing."
//	@Param			body		body		SiteBody	true	"The settings to change."
//	@Success		200			{object}	Site		"The Site as stored."
//	@Header			200			{string}	ETag		"The revision of the Site's settings."
//	@Router			/api/v1/sites/{site} [patch]
func (a *API) patchSite(w http.ResponseWriter, r *http.Request) error {
	return a.changeSite(w, r, func(p *farm.Picture, sent object) (object, error) { return patched(siteOf(p), sent) }, jsonType, mergePatchType)
}

// changeSite carries out PUT and PATCH.
func (a *API) changeSite(w http.ResponseWriter, r *http.Request, all whole, types ...string) error {
	wr, err := a.writeOf(r)
	if err != nil {
		return err
	}
	sent, err := readObject(r, types...)
	if err != nil {
		return err
	}
	err = a.checkStatus(r, sent, func(p *farm.Picture) farm.Revision { return p.Site.Revision },
		func(p *farm.Picture) any { return siteStatusOf(p) })
	if err != nil {
		return err
	}
	err = a.commit(r.Context(), wr, func(p *farm.Picture) (store.Change, error) {
		if p == nil {
			return store.Change{}, noSite(wr.site)
		}
		if err := wr.ifMatch.match(p.Site.Revision); err != nil {
			return store.Change{}, err
		}
		o, err := all(p, sent)
		if err != nil {
			return store.Change{}, err
		}
		next, err := siteFrom(p, o, "")
		if err != nil {
			return store.Change{}, err
		}
		return wr.putSite(p, next), nil
	})
	if err != nil {
		return err
	}
	return wr.replySite(w, http.StatusOK)
}

// deleteSite deletes a Site.
//
//	@Summary		Delete a Site
//	@Description	Deletes a Site with its offline brokers and its events. It must have no Provider and no broker that is online.
//	@ID				deleteSite
//	@Tags			Sites
//	@Produce		json
//	@Param			site		path		string	true	"The Site's id."
//	@Param			If-Match	header		string	false	"The ETag of the settings that are deleted."
//	@Param			dryRun		query		bool	false	"Answer what it would do, and delete nothing."
//	@Success		204			"The Site is deleted."
//	@Success		200			{object}	Effects	"A dry run: what would happen."
//	@Router			/api/v1/sites/{site} [delete]
func (a *API) deleteSite(w http.ResponseWriter, r *http.Request) error {
	wr, err := a.writeOf(r)
	if err != nil {
		return err
	}
	err = a.commit(r.Context(), wr, func(p *farm.Picture) (store.Change, error) {
		if p == nil {
			return store.Change{}, noSite(wr.site)
		}
		if err := wr.ifMatch.match(p.Site.Revision); err != nil {
			return store.Change{}, err
		}
		return store.Change{DeleteSite: true}, farm.CheckDeleteSite(p)
	})
	if err != nil {
		return err
	}
	wr.effects = []string{fmt.Sprintf("Site %s is deleted, with its brokers and events.", wr.site)}
	return wr.replyDeleted(w)
}
