package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// write is one configuration write: its conditions and what came of it.
type write struct {
	site    farm.SiteID
	ifMatch condition
	dry     bool
	lossy   bool // the loss of high availability is accepted
	now     time.Time
	by      string // who asks, as a cause of events

	after   *farm.Picture // in which the change is visible
	effects []string      // of a dry run
}

// writeOf reads the conditions of a write.
func (a *API) writeOf(r *http.Request) (*write, error) {
	wr := &write{site: siteID(r), now: time.Now().UTC().Truncate(time.Millisecond), by: "tokens/" + callerOf(r.Context()).name}
	var err error
	if wr.ifMatch, err = conditionOf(r, "If-Match"); err != nil {
		return nil, err
	}
	if r.Method == http.MethodPut && !wr.ifMatch.given {
		return nil, problem("precondition-required", "PUT replaces the whole resource: send the ETag that GET returned as If-Match, or use PATCH.")
	}
	if wr.dry, err = flag(r, "dryRun"); err != nil {
		return nil, err
	}
	wr.lossy, err = flag(r, "acceptHighAvailabilityLoss")
	return wr, err
}

// commit stores what decide wants, or for a dry run finds out what that would do.
func (a *API) commit(ctx context.Context, wr *write, decide func(*farm.Picture) (store.Change, error)) error {
	if !wr.dry {
		after, err := a.Store.Edit(ctx, wr.site, func(p *farm.Picture) (store.Change, error) {
			c, err := decide(p)
			return wr.signed(c), err
		})
		wr.after = after
		return err //nolint:wrapcheck // decide's errors and the store's have their own words
	}
	view, err := a.Store.Current(ctx)
	if err != nil {
		return fmt.Errorf("read Farm: %w", err)
	}
	p := view.Sites[wr.site]
	c, err := decide(p)
	if err != nil {
		return err
	}
	wr.after = tried(p, c)
	wr.effects = a.effects(p, c)
	return nil
}

// signed completes the events of a change: when, and who asked for it.
func (wr *write) signed(c store.Change) store.Change {
	for i := range c.Events {
		c.Events[i].Time, c.Events[i].Type, c.Events[i].Cause = wr.now, farm.EventConfigChanged, wr.by
	}
	return c
}

// told is the event of a configuration write.
func told(subject, message string, args ...any) []farm.Event {
	return []farm.Event{{Subject: subject, Message: fmt.Sprintf(message, args...)}}
}

// tried is the Site as it would be with a change stored.
func tried(p *farm.Picture, c store.Change) *farm.Picture {
	next := &farm.Picture{}
	if p != nil {
		*next = *p
	}
	next.Brokers, next.Providers = maps.Clone(next.Brokers), maps.Clone(next.Providers)
	if next.Brokers == nil {
		next.Brokers = map[farm.BrokerID]farm.Stored[farm.Broker]{}
	}
	if next.Providers == nil {
		next.Providers = map[farm.ProviderID]farm.Stored[farm.Provider]{}
	}
	if c.PutSite != nil {
		next.Site.Value = *c.PutSite
	}
	for _, b := range c.PutBrokers {
		next.Brokers[b.ID] = farm.Stored[farm.Broker]{Value: b, Revision: next.Brokers[b.ID].Revision}
	}
	if c.PutProvider != nil {
		id := c.PutProvider.ID
		next.Providers[id] = farm.Stored[farm.Provider]{Value: *c.PutProvider, Revision: next.Providers[id].Revision}
	}
	delete(next.Brokers, c.DeleteBroker)
	delete(next.Providers, c.DeleteProvider)
	return next
}

// effects says what a change would do: itself, and what would follow from it
// by the rules that decide for real.
func (a *API) effects(p *farm.Picture, c store.Change) []string {
	var said []string
	for _, e := range c.Events {
		said = append(said, presently(e.Message)+".")
	}
	if p == nil || c.DeleteSite || c.Empty() {
		return append([]string{}, said...)
	}
	trial := farm.Trial{Site: c.PutSite, Brokers: c.PutBrokers}
	if c.PutProvider != nil {
		trial.Providers = []farm.Provider{*c.PutProvider}
	}
	if b, ok := p.Brokers[c.DeleteBroker]; ok {
		b.Value.Enabled = false // to the rules it is as if it were gone
		trial.Brokers = append(trial.Brokers, b.Value)
	}
	if id := c.DeleteProvider; id != "" {
		return append(said, fmt.Sprintf("Its secret is removed and %d of its Hosts are no longer listed.", len(p.Hosts[id])))
	}
	prediction, err := p.Simulate(trial, a.Bounds)
	if err != nil {
		return append(said, "What follows cannot be predicted: "+problemOf(err).Detail)
	}
	return append(said, sentences(p, prediction)...)
}

// presently says an event of a configuration write as one that is not stored:
// what was done is done. Ids and types have no spaces, so the first verb is the
// event's own.
func presently(message string) string { return strings.Replace(message, " was ", " is ", 1) }

// sentences says a prediction in words.
func sentences(p *farm.Picture, after farm.Prediction) []string {
	var said []string
	was := p.SiteStatus().HighAvailability.State
	if next := after.HighAvailability; next.State != was {
		said = append(said, strings.TrimSpace(fmt.Sprintf("High availability goes from %s to %s. %s", was, next.State, next.Message)))
	}
	for _, m := range after.Providers {
		switch {
		case m.Before == m.After:
			continue
		case m.After == "":
			said = append(said, strings.TrimSpace(fmt.Sprintf("Provider %s loses its owner %s. %s", m.Provider, m.Before, m.Message)))
		case m.Before == "":
			said = append(said, strings.TrimSpace(fmt.Sprintf("Provider %s goes to %s. %s", m.Provider, m.After, m.Message)))
		default:
			said = append(said, strings.TrimSpace(fmt.Sprintf("Provider %s moves from %s to %s. %s", m.Provider, m.Before, m.After, m.Message)))
		}
	}
	if len(said) == 0 {
		said = append(said, "No Provider changes its owner.")
	}
	return said
}

// changed names the settings in which two wire values differ, sorted.
func changed(before, after any, settings ...string) []string {
	a, errA := tree(before)
	b, errB := tree(after)
	if errA != nil || errB != nil {
		return settings
	}
	return slices.DeleteFunc(slices.Clone(settings), func(name string) bool { return reflect.DeepEqual(a[name], b[name]) })
}

// moving are the members of a status that change by themselves all the time; a
// write may send back any value of them.
var moving = []string{"since", "message", "contact", "brokers", "providers", "hosts", "ownerSince", "incarnation", "version", "warnings", "epoch"}

// echoes is how many of the Site's latest changes a status that is sent back
// may be old.
const echoes = 8

// checkStatus refuses a status in a write unless it is what the client can have
// read: as it is now, as it was when the resource was last written, or as it
// was after one of the Site's latest events. A client may so send back what it
// has read, although the status moves by itself meanwhile.
func (a *API) checkStatus(r *http.Request, body object, revision func(*farm.Picture) farm.Revision, show func(*farm.Picture) any) error {
	sent, given := body["status"]
	delete(body, "status")
	if !given || sent == nil {
		return nil
	}
	if _, ok := sent.(object); !ok {
		return invalid(Fault{"/status", "must be an object, not " + nameOf(sent)})
	}
	now, err := a.current(r)
	if err != nil {
		return err
	}
	rev := revision(now)
	if rev == 0 {
		return nil // there is no such resource, which the write will say
	}
	first := differs(sent, show(now), "/status")
	if first == "" {
		return nil
	}
	before := []farm.Revision{rev}
	for _, e := range now.Events[max(0, len(now.Events)-echoes):] {
		before = append(before, e.Revision)
	}
	for _, at := range before {
		then, err := a.Store.At(r.Context(), siteID(r), at)
		if err == nil && then != nil && revision(then) == rev && differs(sent, show(then), "/status") == "" {
			return nil
		}
	}
	return invalid(Fault{first, "is read-only: leave status out, or send it as it was read. To change it, change the settings or use an action"})
}

// differs returns a pointer to a member of sent that is not as in the status
// shown; empty if there is none.
func differs(sent any, shown any, at string) string {
	is, err := tree(shown)
	if err != nil {
		return at
	}
	return differsFrom(sent, is, at)
}

func differsFrom(sent, is any, at string) string {
	s, ok := sent.(object)
	o, also := is.(object)
	if !ok || !also {
		if reflect.DeepEqual(sent, is) {
			return ""
		}
		return at
	}
	for _, name := range slices.Sorted(maps.Keys(s)) {
		known, there := o[name]
		if there && slices.Contains(moving, name) || s[name] == nil && !there {
			continue
		}
		if at := differsFrom(s[name], known, at+"/"+escape(name)); at != "" {
			return at
		}
	}
	return ""
}

// compact returns JSON text in one form, so that equal settings are equal.
func compact(text json.RawMessage) json.RawMessage {
	var o object
	if len(text) == 0 || json.Unmarshal(text, &o) != nil || len(o) == 0 {
		return nil
	}
	t, err := parse(text)
	if err != nil {
		return text
	}
	out, err := encode(t)
	if err != nil {
		return text
	}
	return out
}

// absent checks what a body that creates must and must not have.
func absent(id *string, ro ReadOnly) error {
	var f faults
	if id == nil {
		f.add("/id", "is required")
	}
	ro.absent(&f)
	return f.err()
}

// whole makes the whole new resource of what was sent.
type whole func(p *farm.Picture, sent object) (object, error)

// replaced is what PUT means: what was sent is the whole.
func replaced(_ *farm.Picture, sent object) (object, error) { return sent, nil }

// patched is the whole new resource that a merge patch makes of the shown one.
func patched(shown any, patch object) (object, error) {
	o, err := tree(shown)
	if err != nil {
		return nil, err
	}
	delete(o, "status")
	merged, _ := merge(o, patch).(object) // an object, as the patch is one
	return merged, nil
}

// reply answers a write with the resource: created, changed, or as it would be.
func (wr *write) reply(w http.ResponseWriter, status int, location string, rev farm.Revision, body any) error {
	switch {
	case wr.dry:
		status = http.StatusOK
	case status == http.StatusCreated:
		w.Header().Set("Location", location)
	}
	if rev != 0 {
		w.Header().Set("ETag", etag(rev))
	}
	return reply(w, status, body)
}

// replyDeleted answers a deletion.
func (wr *write) replyDeleted(w http.ResponseWriter) error {
	if wr.dry {
		return reply(w, http.StatusOK, Effects{Effects: wr.effects})
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
