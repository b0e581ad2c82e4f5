package handlers

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/quorate/quorate/farm"
)

// Event is one thing that happened in a Site.
type Event struct {
	ID       string         `json:"id" example:"812-0"`
	Revision farm.Revision  `json:"revision" swaggertype:"integer" format:"int64" example:"812"` // the order of events
	Time     Time           `json:"time" swaggertype:"string" format:"date-time"`
	Type     farm.EventType `json:"type" swaggertype:"string" enums:"provider.owner-changed,provider.state-changed,broker.online,broker.offline,broker.activated,broker.released,site.high-availability-changed,config.changed" example:"provider.owner-changed"`
	Subject  string         `json:"subject" example:"providers/vc-1"` // what it happened to
	From     string         `json:"from" example:"cb-1"`              // the broker or state before
	To       string         `json:"to" example:"cb-2"`                // the broker or state after
	Epoch    farm.Epoch     `json:"epoch" swaggertype:"integer" format:"int64" example:"8"`
	Reason   farm.Reason    `json:"reason" swaggertype:"string" example:"broker-offline"`
	Message  string         `json:"message"`
	Cause    string         `json:"cause" example:"brokers/cb-1"` // what or who brought it about
} //@name Event

func eventOf(e farm.Event) Event {
	return Event{
		ID: e.ID, Revision: e.Revision, Time: Time{e.Time}, Type: e.Type, Subject: e.Subject, From: e.From, To: e.To,
		Epoch: e.Epoch, Reason: e.Reason, Message: e.Message, Cause: e.Cause,
	}
}

// listEvents lists a Site's events.
//
//	@Summary		List a Site's events
//	@Description	Lists the kept events, the newest last on each page. Without `since` the first page has the newest events, and `continue` goes back in time; with `since`, pages go forward from the first event after that revision.
//	@ID				listEvents
//	@Tags			Events
//	@Produce		json
//	@Param			site		path		string		true	"The Site's id."
//	@Param			since		query		int			false	"Only events after this revision; 0 begins with the oldest that is kept."	minimum(0)
//	@Param			limit		query		int			false	"How many events a page has."	default(100)	minimum(1)	maximum(1000)
//	@Param			continue	query		string		false	"From the page before: shows the next one."
//	@Success		200			{object}	Page[Event]	"One page of events."
//	@Router			/api/v1/sites/{site}/events [get]
func (a *API) listEvents(w http.ResponseWriter, r *http.Request) error {
	wk, err := walkOf(r)
	if err != nil {
		return err
	}
	text := r.URL.Query().Get("since")
	after, err := strconv.ParseInt(text, 10, 64)
	if text != "" && (err != nil || after < 0) {
		return problem("malformed", "The query parameter since is %q. Send a revision, which is a whole number.", text)
	}
	p, at, err := a.listed(r.Context(), siteID(r), wk)
	if err != nil {
		return err
	}
	if text != "" {
		return reply(w, http.StatusOK, pageOf(wk, at, eventsAfter(p, farm.Revision(after)), eventOf))
	}
	backwards := slices.Clone(p.Events)
	slices.Reverse(backwards)
	page := pageOf(wk, at, backwards, eventOf)
	slices.Reverse(page.Items)
	return reply(w, http.StatusOK, page)
}

// eventsAfter returns the events that are newer than a revision.
func eventsAfter(p *farm.Picture, rev farm.Revision) []farm.Event {
	i, _ := slices.BinarySearchFunc(p.Events, rev+1, func(e farm.Event, rev farm.Revision) int { return int(e.Revision - rev) })
	return p.Events[i:]
}
