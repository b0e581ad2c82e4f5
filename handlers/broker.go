package handlers

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// Broker is a Connection Broker as it is answered.
type Broker struct {
	ID          farm.BrokerID `json:"id" swaggertype:"string" example:"cb-2"`
	Site        farm.SiteID   `json:"site" swaggertype:"string" example:"hq"`
	Name        string        `json:"name"`
	Description string        `json:"description"`
	Address     string        `json:"address" example:"https://10.0.0.2:8080"`                           // base URL of its server
	Mode        farm.Mode     `json:"mode" swaggertype:"string" enums:"active,standby" example:"active"` // what the administrator wants of it
	Priority    int           `json:"priority" example:"1"`                                              // its place in the Site's order, 0 first
	Enabled     bool          `json:"enabled" example:"true"`
	Status      BrokerStatus  `json:"status"`
	Revision    farm.Revision `json:"revision" swaggertype:"integer" format:"int64" example:"640"`
	CreatedAt   Time          `json:"createdAt" swaggertype:"string" format:"date-time"`
	UpdatedAt   Time          `json:"updatedAt" swaggertype:"string" format:"date-time"`
	Effects     []string      `json:"effects,omitempty"` // of a dry run: what would happen, a sentence each
} //@name Broker

// BrokerStatus is what can be said of a broker.
type BrokerStatus struct {
	State       farm.BrokerState       `json:"state" swaggertype:"string" enums:"online,offline,disabled" example:"online"`
	Role        farm.Role              `json:"role" swaggertype:"string" enums:"active,standby,activated,idle" example:"active"` // activated: standing in for a lost broker; idle: online without a seat
	Draining    bool                   `json:"draining"`                                                                         // the operator wants it empty
	Occupies    farm.BrokerID          `json:"occupies" swaggertype:"string" example:"cb-2"`                                     // the seat it sits on; empty: none
	StandsInFor farm.BrokerID          `json:"standsInFor" swaggertype:"string"`                                                 // whose seat that is, if not its own
	Since       *Time                  `json:"since,omitempty" swaggertype:"string" format:"date-time"`
	Incarnation farm.Incarnation       `json:"incarnation" swaggertype:"integer" format:"int64" example:"811"` // a restarted broker is a new one; 0: not online
	Version     string                 `json:"version"`
	Providers   int                    `json:"providers" example:"2"` // that it owns
	Contact     map[farm.BrokerID]bool `json:"contact" swaggertype:"object,boolean"`
	Reason      farm.Reason            `json:"reason" swaggertype:"string"`
	Message     string                 `json:"message"`
} //@name BrokerStatus

// brokerOf shows a broker.
func brokerOf(p *farm.Picture, id farm.BrokerID) Broker {
	stored := p.Brokers[id]
	b := stored.Value
	return Broker{
		ID: id, Site: p.Site.Value.ID, Name: b.Name, Description: b.Description, Address: b.Address,
		Mode: b.Mode, Priority: b.Priority, Enabled: b.Enabled, Status: brokerStatusOf(p, id),
		Revision: stored.Revision, CreatedAt: Time{b.CreatedAt}, UpdatedAt: Time{b.UpdatedAt},
	}
}

func brokerStatusOf(p *farm.Picture, id farm.BrokerID) BrokerStatus {
	st := p.BrokerStatus(id)
	return BrokerStatus{
		State: st.State, Role: st.Role, Draining: st.Draining, Occupies: st.Occupies, StandsInFor: st.StandsInFor,
		Since: since(st.Since), Incarnation: st.Incarnation, Version: st.Version, Providers: st.Providers,
		Contact: st.Contact, Reason: st.Reason, Message: st.Message,
	}
}

// BrokerBody is a broker as a client sends it. What is left out has its
// default; mode and priority, which the Site chooses for a new broker, stay.
type BrokerBody struct {
	ID          *string `json:"id,omitempty" validate:"omitempty,id" example:"cb-2"` // required to create; else the one in the path
	Site        *string `json:"site,omitempty" readonly:"true" example:"hq"`
	Name        *string `json:"name,omitempty" validate:"omitempty,max=200,line" maxLength:"200"`
	Description *string `json:"description,omitempty" validate:"omitempty,max=2000,text" maxLength:"2000"`
	Address     *string `json:"address,omitempty" validate:"omitempty,max=2000,line,httpurl" maxLength:"2000" example:"https://10.0.0.2:8080"`
	Mode        *string `json:"mode,omitempty" validate:"omitempty,oneof=active standby" enums:"active,standby"`         // left out on create: active up to three seats, then standby
	Priority    *int    `json:"priority,omitempty" validate:"omitempty,min=0,max=1000000" minimum:"0" maximum:"1000000"` // left out on create: the last place
	Enabled     *bool   `json:"enabled,omitempty" default:"true"`
	ReadOnly
} //@name BrokerBody

// apply returns the broker with the body's settings.
func (b BrokerBody) apply(was farm.Broker) farm.Broker {
	next := was
	next.Name, next.Description, next.Address = or(b.Name, ""), or(b.Description, ""), or(b.Address, "")
	next.Mode = farm.Mode(or(b.Mode, string(was.Mode)))
	next.Priority = or(b.Priority, was.Priority)
	next.Enabled = or(b.Enabled, true)
	return next
}

func brokerBody(o object, at string) (BrokerBody, error) {
	b, err := into[BrokerBody](o, at)
	if err != nil {
		return b, err
	}
	return b, check(b, at)
}

// brokerSettings are what config.changed names.
var brokerSettings = []string{"name", "description", "address", "mode", "priority", "enabled"}

// putBrokers is the change that stores changed brokers, told as what happened
// to the one that was asked for.
func (wr *write) putBrokers(p *farm.Picture, id farm.BrokerID, next ...farm.Broker) store.Change {
	c := store.Change{}
	for _, b := range next {
		if b == p.Brokers[b.ID].Value {
			continue
		}
		b.UpdatedAt = wr.now
		c.PutBrokers = append(c.PutBrokers, b)
	}
	if len(c.PutBrokers) > 0 {
		c.Events = told(farm.BrokerSubject(id), "%s", brokerNews(p, id, tried(p, c)))
	}
	return c
}

// brokerNews says how a broker's settings have changed.
func brokerNews(p *farm.Picture, id farm.BrokerID, next *farm.Picture) string {
	was, is := p.Brokers[id].Value, next.Brokers[id].Value
	switch {
	case was.Enabled && !is.Enabled:
		return fmt.Sprintf("%s was disabled", id)
	case !was.Enabled && is.Enabled:
		return fmt.Sprintf("%s was enabled", id)
	case was.Mode != is.Mode:
		return fmt.Sprintf("%s was made %s", id, is.Mode)
	case !was.Draining && is.Draining:
		return fmt.Sprintf("%s is to be drained", id)
	case was.Draining && !is.Draining:
		return fmt.Sprintf("%s is no longer to be drained", id)
	case was.Priority != is.Priority:
		return fmt.Sprintf("%s was moved to place %d in the order", id, is.Priority)
	default:
		return fmt.Sprintf("%s was changed (%s)", id, strings.Join(changed(brokerOf(p, id), brokerOf(next, id), brokerSettings...), ", "))
	}
}

// changeBroker carries out a change of a stored broker: next decides what is
// stored in place of it.
func (a *API) changeBroker(w http.ResponseWriter, r *http.Request, wr *write, next func(p *farm.Picture, was farm.Stored[farm.Broker]) ([]farm.Broker, error)) error {
	id := brokerID(r)
	err := a.commit(r.Context(), wr, func(p *farm.Picture) (store.Change, error) {
		was, err := wr.broker(p, id)
		if err != nil {
			return store.Change{}, err
		}
		all, err := next(p, was)
		if err != nil {
			return store.Change{}, err
		}
		return wr.putBrokers(p, id, all...), nil
	})
	if err != nil {
		return err
	}
	return wr.replyBroker(w, http.StatusOK, id)
}

// broker returns the stored broker that a write is for, if its If-Match holds.
func (wr *write) broker(p *farm.Picture, id farm.BrokerID) (farm.Stored[farm.Broker], error) {
	if p == nil {
		return farm.Stored[farm.Broker]{}, noSite(wr.site)
	}
	was, ok := p.Brokers[id]
	if !ok {
		return was, noBroker(id)
	}
	return was, wr.ifMatch.match(was.Revision)
}

func (wr *write) replyBroker(w http.ResponseWriter, status int, id farm.BrokerID) error {
	if _, ok := wr.after.Brokers[id]; !ok {
		return noBroker(id) // deleted at once by somebody else
	}
	b := brokerOf(wr.after, id)
	b.Effects = wr.effects
	return wr.reply(w, status, fmt.Sprintf("%s/%s/brokers/%s", sites, wr.site, id), b.Revision, b)
}

// listBrokers lists a Site's brokers.
//
//	@Summary		List a Site's brokers
//	@Description	Lists brokers in priority order. All pages of one walk show one revision.
//	@ID				listBrokers
//	@Tags			Brokers
//	@Produce		json
//	@Param			site		path		string			true	"The Site's id."
//	@Param			limit		query		int				false	"How many brokers a page has."	default(100)	minimum(1)	maximum(1000)
//	@Param			continue	query		string			false	"From the page before: shows the next one."
//	@Success		200			{object}	Page[Broker]	"One page of brokers."
//	@Router			/api/v1/sites/{site}/brokers [get]
func (a *API) listBrokers(w http.ResponseWriter, r *http.Request) error {
	wk, err := walkOf(r)
	if err != nil {
		return err
	}
	p, at, err := a.listed(r.Context(), siteID(r), wk)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, pageOf(wk, at, p.InOrder(), func(b farm.Broker) Broker { return brokerOf(p, b.ID) }))
}

// createBroker creates a broker ahead of its server.
//
//	@Summary		Create a broker
//	@Description	Creates a broker ahead of its server, which registers itself when it starts. `id` is required. Without a mode it is active while the Site has fewer than three seats, else standby.
//	@ID				createBroker
//	@Tags			Brokers
//	@Accept			json
//	@Produce		json
//	@Param			site	path		string		true	"The Site's id."
//	@Param			dryRun	query		bool		false	"Answer what would be stored and what it would do, and store nothing."
//	@Param			body	body		BrokerBody	true	"The broker."
//	@Success		201		{object}	Broker		"The broker was created."
//	@Success		200		{object}	Broker		"A dry run: the broker as it would be, with `effects`."
//	@Header			201		{string}	Location	"The path of the broker."
//	@Header			201		{string}	ETag		"The revision of the broker's settings."
//	@Router			/api/v1/sites/{site}/brokers [post]
func (a *API) createBroker(w http.ResponseWriter, r *http.Request) error {
	wr, err := a.writeOf(r)
	if err != nil {
		return err
	}
	o, err := readObject(r, jsonType)
	if err != nil {
		return err
	}
	b, err := brokerBody(o, "")
	if err != nil {
		return err
	}
	if err := absent(b.ID, b.ReadOnly); err != nil {
		return err
	}
	id := farm.BrokerID(*b.ID)
	err = a.commit(r.Context(), wr, func(p *farm.Picture) (store.Change, error) { return wr.newBroker(p, id, b) })
	if err != nil {
		return err
	}
	return wr.replyBroker(w, http.StatusCreated, id)
}

func (wr *write) newBroker(p *farm.Picture, id farm.BrokerID, b BrokerBody) (store.Change, error) {
	if p == nil {
		return store.Change{}, noSite(wr.site)
	}
	if _, ok := p.Brokers[id]; ok {
		return store.Change{}, problem("already-exists", "The Site has a broker %q already. Choose another id, or change it by PUT or PATCH.", id)
	}
	var f faults
	fixed(&f, "/site", b.Site, string(wr.site))
	if err := f.err(); err != nil {
		return store.Change{}, err
	}
	next, err := farm.NewBroker(p, b.apply(farm.Broker{ID: id, Priority: -1, CreatedAt: wr.now, UpdatedAt: wr.now}))
	if err != nil {
		return store.Change{}, err
	}
	return store.Change{PutBrokers: []farm.Broker{next}, Events: told(farm.BrokerSubject(id), "%s was added, %s", id, next.Mode)}, nil
}

// getBroker shows a broker.
//
//	@Summary		Get a broker
//	@Description	The ETag is the revision of the broker's settings: the status moves on without it, so a 304 speaks of the settings only.
//	@ID				getBroker
//	@Tags			Brokers
//	@Produce		json
//	@Param			site			path		string	true	"The Site's id."
//	@Param			broker			path		string	true	"The broker's id."
//	@Param			If-None-Match	header		string	false	"The ETag that the client has."
//	@Success		200				{object}	Broker	"The broker."
//	@Header			200				{string}	ETag	"The revision of the broker's settings."
//	@Success		304				"The settings are those of the ETag."
//	@Router			/api/v1/sites/{site}/brokers/{broker} [get]
func (a *API) getBroker(w http.ResponseWriter, r *http.Request) error {
	p, err := a.current(r)
	if err != nil {
		return err
	}
	b, ok := p.Brokers[brokerID(r)]
	if !ok {
		return noBroker(brokerID(r))
	}
	return replyOne(w, r, b.Revision, brokerOf(p, brokerID(r)))
}

// putBroker replaces a broker's settings.
//
//	@Summary		Replace a broker's settings
//	@Description	What is left out gets its default, except mode and priority, which stay. `status`, `revision` and the times may be sent back as they were read. A change that leaves the Site with fewer than three seats is refused unless the loss is accepted.
//	@ID				putBroker
//	@Tags			Brokers
//	@Accept			json
//	@Produce		json
//	@Param			site						path		string		true	"The Site's id."
//	@Param			broker						path		string		true	"The broker's id."
//	@Param			If-Match					header		string		true	"The ETag of the settings that are replaced, or *."
//	@Param			dryRun						query		bool		false	"Answer what would be stored and what it would do, and store nothing."
//	@Param			acceptHighAvailabilityLoss	query		bool		false	"Go on although high availability turns off."
//	@Param			body						body		BrokerBody	true	"The settings."
//	@Success		200							{object}	Broker		"The broker as stored."
//	@Header			200							{string}	ETag		"The revision of the broker's settings."
//	@Router			/api/v1/sites/{site}/brokers/{broker} [put]
func (a *API) putBroker(w http.ResponseWriter, r *http.Request) error {
	return a.setBroker(w, r, replaced, jsonType)
}

// patchBroker changes some of a broker's settings.
//
//	@Summary		Change some of a broker's settings
//	@Description	A JSON merge patch (RFC 7396): what is left out stays, null gives the default. A change that leaves the Site with fewer than three seats is refused unless the loss is accepted.
//	@ID				patchBroker
//	@Tags			Brokers
//	@Accept			json
//	@Produce		json
//	@Param			site						path		string		true	"The Site's id."
//	@Param			broker						path		string		true	"The broker's id."
//	@Param			If-Match					header		string		false	"The ETag of the settings that are changed."
//	@Param			dryRun						query		bool		false	"Answer what would be stored and what it would do, and store nothing."
//	@Param			acceptHighAvailabilityLoss	query		bool		false	"Go on although high availability turns off."
//	@Param			body						body		BrokerBody	true	"The settings to change."
//	@Success		200							{object}	Broker		"The broker as stored."
//	@Header			200							{string}	ETag		"The revision of the broker's settings."
//	@Router			/api/v1/sites/{site}/brokers/{broker} [patch]
func (a *API) patchBroker(w http.ResponseWriter, r *http.Request) error {
	return a.setBroker(w, r, func(p *farm.Picture, sent object) (object, error) { return patched(brokerOf(p, brokerID(r)), sent) }, jsonType, mergePatchType)
}

// setBroker carries out PUT and PATCH.
func (a *API) setBroker(w http.ResponseWriter, r *http.Request, all whole, types ...string) error {
	wr, err := a.writeOf(r)
	if err != nil {
		return err
	}
	sent, err := readObject(r, types...)
	if err != nil {
		return err
	}
	id := brokerID(r)
	err = a.checkStatus(r, sent, func(p *farm.Picture) farm.Revision { return p.Brokers[id].Revision },
		func(p *farm.Picture) any { return brokerStatusOf(p, id) })
	if err != nil {
		return err
	}
	return a.changeBroker(w, r, wr, func(p *farm.Picture, was farm.Stored[farm.Broker]) ([]farm.Broker, error) {
		o, err := all(p, sent)
		if err != nil {
			return nil, err
		}
		next, err := brokerFrom(p, was, o, "")
		if err != nil {
			return nil, err
		}
		return []farm.Broker{next}, farm.CheckBroker(p, next, wr.lossy)
	})
}

// brokerFrom makes the new settings of a stored broker from a whole body.
func brokerFrom(p *farm.Picture, was farm.Stored[farm.Broker], o object, at string) (farm.Broker, error) {
	b, err := brokerBody(o, at)
	if err != nil {
		return farm.Broker{}, err
	}
	var f faults
	fixed(&f, at+"/id", b.ID, string(was.Value.ID))
	fixed(&f, at+"/site", b.Site, string(p.Site.Value.ID))
	b.check(&f, at, was.Revision, was.Value.CreatedAt, was.Value.UpdatedAt)
	return b.apply(was.Value), f.err()
}

// deleteBroker deletes a broker.
//
//	@Summary		Delete a broker
//	@Description	The broker must be offline, and no Provider may name it. A deletion that leaves the Site with fewer than three seats is refused unless the loss is accepted.
//	@ID				deleteBroker
//	@Tags			Brokers
//	@Produce		json
//	@Param			site						path		string	true	"The Site's id."
//	@Param			broker						path		string	true	"The broker's id."
//	@Param			If-Match					header		string	false	"The ETag of the settings that are deleted."
//	@Param			dryRun						query		bool	false	"Answer what it would do, and delete nothing."
//	@Param			acceptHighAvailabilityLoss	query		bool	false	"Go on although high availability turns off."
//	@Success		204							"The broker is deleted."
//	@Success		200							{object}	Effects	"A dry run: what would happen."
//	@Router			/api/v1/sites/{site}/brokers/{broker} [delete]
func (a *API) deleteBroker(w http.ResponseWriter, r *http.Request) error {
	wr, err := a.writeOf(r)
	if err != nil {
		return err
	}
	id := brokerID(r)
	err = a.commit(r.Context(), wr, func(p *farm.Picture) (store.Change, error) {
		if _, err := wr.broker(p, id); err != nil {
			return store.Change{}, err
		}
		return store.Change{DeleteBroker: id, Events: told(farm.BrokerSubject(id), "%s was deleted", id)},
			farm.CheckDeleteBroker(p, id, wr.lossy)
	})
	if err != nil {
		return err
	}
	return wr.replyDeleted(w)
}

// drain empties a broker.
//
//	@Summary		Drain a broker
//	@Description	Its Providers move to other brokers by planned handovers, and none comes to it until it is undrained. It keeps its seat. Draining a broker that is draining changes nothing.
//	@ID				drainBroker
//	@Tags			Brokers
//	@Produce		json
//	@Param			site		path		string	true	"The Site's id."
//	@Param			broker		path		string	true	"The broker's id."
//	@Param			If-Match	header		string	false	"The ETag of the broker's settings."
//	@Param			dryRun		query		bool	false	"Answer what it would do, and store nothing."
//	@Success		200			{object}	Broker	"The broker."
//	@Header			200			{string}	ETag	"The revision of the broker's settings."
//	@Router			/api/v1/sites/{site}/brokers/{broker}/drain [post]
func (a *API) drain(w http.ResponseWriter, r *http.Request) error { return a.setDraining(w, r, true) }

// undrain lets a broker own Providers again.
//
//	@Summary		Undrain a broker
//	@Description	The broker may own Providers again. Undraining a broker that is not draining changes nothing.
//	@ID				undrainBroker
//	@Tags			Brokers
//	@Produce		json
//	@Param			site		path		string	true	"The Site's id."
//	@Param			broker		path		string	true	"The broker's id."
//	@Param			If-Match	header		string	false	"The ETag of the broker's settings."
//	@Param			dryRun		query		bool	false	"Answer what it would do, and store nothing."
//	@Success		200			{object}	Broker	"The broker."
//	@Header			200			{string}	ETag	"The revision of the broker's settings."
//	@Router			/api/v1/sites/{site}/brokers/{broker}/undrain [post]
func (a *API) undrain(w http.ResponseWriter, r *http.Request) error {
	return a.setDraining(w, r, false)
}

func (a *API) setDraining(w http.ResponseWriter, r *http.Request, draining bool) error {
	return a.actOnBroker(w, r, func(_ *farm.Picture, was farm.Stored[farm.Broker]) ([]farm.Broker, error) {
		was.Value.Draining = draining
		return []farm.Broker{was.Value}, nil
	})
}

// moveUp moves a broker up in the Site's order.
//
//	@Summary		Move a broker up
//	@Description	The broker changes places with the one before it in priority order. The first one stays.
//	@ID				moveBrokerUp
//	@Tags			Brokers
//	@Produce		json
//	@Param			site		path		string	true	"The Site's id."
//	@Param			broker		path		string	true	"The broker's id."
//	@Param			If-Match	header		string	false	"The ETag of the broker's settings."
//	@Param			dryRun		query		bool	false	"Answer what it would do, and store nothing."
//	@Success		200			{object}	Broker	"The broker."
//	@Header			200			{string}	ETag	"The revision of the broker's settings."
//	@Router			/api/v1/sites/{site}/brokers/{broker}/move-up [post]
func (a *API) moveUp(w http.ResponseWriter, r *http.Request) error {
	return a.actOnBroker(w, r, func(p *farm.Picture, was farm.Stored[farm.Broker]) ([]farm.Broker, error) {
		return farm.MoveUp(p, was.Value.ID), nil
	})
}

// moveDown moves a broker down in the Site's order.
//
//	@Summary		Move a broker down
//	@Description	The broker changes places with the one after it in priority order. The last one stays.
//	@ID				moveBrokerDown
//	@Tags			Brokers
//	@Produce		json
//	@Param			site		path		string	true	"The Site's id."
//	@Param			broker		path		string	true	"The broker's id."
//	@Param			If-Match	header		string	false	"The ETag of the broker's settings."
//	@Param			dryRun		query		bool	false	"Answer what it would do, and store nothing."
//	@Success		200			{object}	Broker	"The broker."
//	@Header			200			{string}	ETag	"The revision of the broker's settings."
//	@Router			/api/v1/sites/{site}/brokers/{broker}/move-down [post]
func (a *API) moveDown(w http.ResponseWriter, r *http.Request) error {
	return a.actOnBroker(w, r, func(p *farm.Picture, was farm.Stored[farm.Broker]) ([]farm.Broker, error) {
		return farm.MoveDown(p, was.Value.ID), nil
	})
}

// actOnBroker carries out an action, which takes no body or an empty one.
func (a *API) actOnBroker(w http.ResponseWriter, r *http.Request, next func(*farm.Picture, farm.Stored[farm.Broker]) ([]farm.Broker, error)) error {
	wr, err := a.writeOf(r)
	if err != nil {
		return err
	}
	if err := readNothing(r); err != nil {
		return err
	}
	return a.changeBroker(w, r, wr, next)
}

// Stoppability says whether a broker can be stopped without harm.
type Stoppability struct {
	Stoppable bool     `json:"stoppable"`
	Reasons   []string `json:"reasons"` // why not, a sentence each
	Effects   []string `json:"effects"` // what would happen, a sentence each
} //@name Stoppability

// stoppable says whether a broker can be stopped.
//
//	@Summary		Ask whether a broker can be stopped
//	@Description	Says whether stopping the broker's server now would harm the Site, why, and what would happen.
//	@ID				getBrokerStoppable
//	@Tags			Brokers
//	@Produce		json
//	@Param			site	path		string			true	"The Site's id."
//	@Param			broker	path		string			true	"The broker's id."
//	@Success		200		{object}	Stoppability	"Whether it can be stopped."
//	@Router			/api/v1/sites/{site}/brokers/{broker}/stoppable [get]
func (a *API) stoppable(w http.ResponseWriter, r *http.Request) error {
	p, err := a.current(r)
	if err != nil {
		return err
	}
	if _, ok := p.Brokers[brokerID(r)]; !ok {
		return noBroker(brokerID(r))
	}
	s := p.Stoppable(brokerID(r), a.Bounds)
	return reply(w, http.StatusOK, Stoppability{Stoppable: s.Stoppable, Reasons: filled(s.Reasons), Effects: filled(s.Effects)})
}
