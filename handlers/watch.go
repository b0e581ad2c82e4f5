package handlers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// Snapshot is the first message of an event stream: the Site as it is.
type Snapshot struct {
	Site      json.RawMessage   `json:"site" swaggertype:"object"`
	Brokers   []json.RawMessage `json:"brokers" swaggertype:"array,object"`   // in order of id
	Providers []json.RawMessage `json:"providers" swaggertype:"array,object"` // in order of id
	Events    []Event           `json:"events"`                               // the latest ones, newest last
	Revision  farm.Revision     `json:"revision" swaggertype:"integer" format:"int64" example:"812"`
} //@name Snapshot

// snapshotEvents is how many events a snapshot has at most.
const snapshotEvents = 100

// watch streams what changes in a Site.
//
//	@Summary		Watch a Site
//	@Description	Server-sent events. First a `snapshot`, then `site`, `broker`, `provider` messages with the resource as GET shows it (or `{"id":"…","deleted":true}`), and `event` messages. `id:` is the revision up to which the stream is complete; sent back as Last-Event-ID the stream goes on from there, or with a fresh `snapshot` if that revision is gone. A comment line comes every 10 s, also while etcd does not answer. The stream ends when the Site is deleted, the token is removed, or the server stops: connect again.
//	@ID				watchSite
//	@Tags			Events
//	@Produce		text/event-stream
//	@Param			site			path		string		true	"The Site's id."
//	@Param			Last-Event-ID	header		string		false	"The id of the last message that was received."
//	@Success		200				{object}	Snapshot	"The stream; this is the data of its first message."
//	@Router			/api/v1/sites/{site}/watch [get]
func (a *API) watch(w http.ResponseWriter, r *http.Request) error {
	if a.watches.Add(1) > int64(a.MaxWatches) {
		a.watches.Add(-1)
		return problem("too-many-requests", "This server serves %d event streams already. Use another server, or try again.", a.MaxWatches)
	}
	defer a.watches.Add(-1)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(a.stopping, cancel)()
	if a.stopping.Err() != nil {
		return fmt.Errorf("server is stopping: %w", store.ErrUnavailable)
	}

	s := &stream{api: a, site: siteID(r), token: callerOf(r.Context()).hash, to: http.NewResponseController(w), w: w}
	first, err := s.begin(ctx, r.Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")      // or a proxy would hold messages back
	_ = s.to.SetReadDeadline(time.Time{}) // not every connection has deadlines
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil // there is nothing to wait for
	}
	if err := s.send(first); err != nil {
		return err
	}
	return s.run(ctx)
}

// stream is one client's event stream.
type stream struct {
	api   *API
	site  farm.SiteID
	token store.TokenHash
	w     http.ResponseWriter
	to    *http.ResponseController
	seen  *rendering // what the client has been told
}

// begin returns the first messages: what has changed since the last one that
// the client had, or a snapshot.
func (s *stream) begin(ctx context.Context, last string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.api.RequestTimeout)
	defer cancel()
	view, err := s.api.Store.Current(ctx)
	if err != nil {
		return nil, fmt.Errorf("read Farm: %w", err)
	}
	p := view.Sites[s.site]
	if p == nil {
		return nil, noSite(s.site)
	}
	if s.seen, err = s.api.feeds.of(p); err != nil {
		return nil, err
	}
	if rev, err := strconv.ParseInt(last, 10, 64); err == nil && rev > 0 && rev <= int64(p.Revision) {
		if then, err := s.api.Store.At(ctx, s.site, farm.Revision(rev)); err == nil && resumable(then, p) {
			return s.since(then)
		}
	}
	return s.snapshot()
}

// resumable reports whether the changes from one picture to a later one can be
// told: it is the same Site, and no event in between has been dropped.
func resumable(then, now *farm.Picture) bool {
	if then == nil || !then.Site.Value.CreatedAt.Equal(now.Site.Value.CreatedAt) {
		return false
	}
	oldest := farm.Revision(0)
	if len(now.Events) > 0 {
		oldest = now.Events[0].Revision
	}
	return len(then.Events) == 0 || oldest <= then.Revision
}

func (s *stream) since(then *farm.Picture) ([]byte, error) {
	from, err := render(then, nil)
	if err != nil {
		return nil, err
	}
	all, err := news(from, s.seen)
	if err != nil {
		return nil, err
	}
	text := bytes.NewBufferString(": resumed\n\n")
	for _, m := range all {
		m.write(text)
	}
	return text.Bytes(), nil
}

func (s *stream) snapshot() ([]byte, error) {
	r := s.seen
	snap := Snapshot{Site: r.site, Brokers: inOrder(r.brokers), Providers: inOrder(r.providers), Events: []Event{}, Revision: r.picture.Revision}
	for _, e := range r.picture.Events[max(0, len(r.picture.Events)-snapshotEvents):] {
		snap.Events = append(snap.Events, eventOf(e))
	}
	data, err := encode(snap)
	if err != nil {
		return nil, fmt.Errorf("encode snapshot: %w", err)
	}
	var text bytes.Buffer
	message{kind: "snapshot", data: data, revision: snap.Revision}.write(&text)
	return text.Bytes(), nil
}

func inOrder[ID ~string](all map[ID][]byte) []json.RawMessage {
	list := make([]json.RawMessage, 0, len(all))
	ids := make([]ID, 0, len(all))
	for id := range all {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		list = append(list, all[id])
	}
	return list
}

// run tells the client what changes until it goes, the Site is deleted, the
// token is removed or the server stops.
func (s *stream) run(ctx context.Context) error {
	beat := time.Now().Add(s.api.Heartbeat)
	after := s.seen.picture.Revision
	for {
		view := s.next(ctx, after, beat)
		if ctx.Err() != nil {
			return nil
		}
		if view != nil && view.Revision != after { // lower: storage was put back to an earlier state
			after = view.Revision
			goOn, err := s.tell(view)
			if err != nil || !goOn {
				return err
			}
		}
		if !time.Now().Before(beat) {
			if err := s.send([]byte(": alive\n\n")); err != nil {
				return err
			}
			beat = time.Now().Add(s.api.Heartbeat)
		}
	}
}

// next waits for a View newer than after, but not beyond the next heartbeat;
// nil if there is none until then.
func (s *stream) next(ctx context.Context, after farm.Revision, beat time.Time) *store.View {
	ctx, cancel := context.WithDeadline(ctx, beat)
	defer cancel()
	view, err := s.api.Store.Wait(ctx, after)
	if err == nil {
		return view
	}
	<-ctx.Done() // storage is away: the stream stays, and looks again later
	return nil
}

// tell sends what is new in a View; false if it was the last there can be.
func (s *stream) tell(view *store.View) (bool, error) {
	if _, valid := view.Tokens[s.token]; !valid {
		return false, nil
	}
	p := view.Sites[s.site]
	if p == nil {
		s.api.feeds.forget(s.site)
		data, _ := json.Marshal(gone{ID: string(s.site), Deleted: true}) // a string and a bool always encode
		var text bytes.Buffer
		message{kind: "site", data: data, revision: view.Revision}.write(&text)
		return false, s.send(text.Bytes())
	}
	now, err := s.api.feeds.of(p)
	if err != nil {
		return false, err
	}
	all, err := news(s.seen, now)
	if err != nil {
		return false, err
	}
	s.seen = now
	if len(all) == 0 {
		return true, nil
	}
	var text bytes.Buffer
	for _, m := range all {
		m.write(&text)
	}
	return true, s.send(text.Bytes())
}

// write writes the message as server-sent events are. Its data is one line, as
// JSON is without indentation.
func (m message) write(to *bytes.Buffer) {
	fmt.Fprintf(to, "event: %s\nid: %d\ndata: ", m.kind, m.revision)
	to.Write(m.data)
	to.WriteString("\n\n")
}

// send writes to the client, which must accept it in time. That time ends with
// the message: HTTP/2 would end the stream with it, also if nothing is being
// written.
func (s *stream) send(text []byte) error {
	_ = s.to.SetWriteDeadline(time.Now().Add(s.api.WriteTimeout)) // not every connection has deadlines
	defer s.to.SetWriteDeadline(time.Time{})                      //nolint:errcheck // the same
	if _, err := s.w.Write(text); err != nil {
		return fmt.Errorf("write to event stream: %w", err)
	}
	if err := s.to.Flush(); err != nil {
		return fmt.Errorf("flush event stream: %w", err)
	}
	return nil
}
