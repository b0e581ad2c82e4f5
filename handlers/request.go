package handlers

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// param returns a part of the path. chi matches the escaped path when there is
// one, and leaves its parts escaped.
func param(r *http.Request, name string) string {
	v := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return v
	}
	if plain, err := url.PathUnescape(v); err == nil {
		return plain
	}
	return v
}

func siteID(r *http.Request) farm.SiteID         { return farm.SiteID(param(r, "site")) }
func brokerID(r *http.Request) farm.BrokerID     { return farm.BrokerID(param(r, "broker")) }
func providerID(r *http.Request) farm.ProviderID { return farm.ProviderID(param(r, "provider")) }

func noSite(id farm.SiteID) error     { return problem("not-found", "There is no Site %q.", id) }
func noBroker(id farm.BrokerID) error { return problem("not-found", "The Site has no broker %q.", id) }
func noProvider(id farm.ProviderID) error {
	return problem("not-found", "The Site has no Provider %q.", id)
}

// current returns the request's Site as it is now.
func (a *API) current(r *http.Request) (*farm.Picture, error) {
	view, err := a.Store.Current(r.Context())
	if err != nil {
		return nil, fmt.Errorf("read Farm: %w", err)
	}
	p := view.Sites[siteID(r)]
	if p == nil {
		return nil, noSite(siteID(r))
	}
	return p, nil
}

// checkQuery refuses parameters that a route does not know: who misspells
// dryRun must not change anything.
func checkQuery(r *http.Request, known []string) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem("malformed", "The query of the URL is not well formed.")
	}
	for name, values := range query {
		switch {
		case !slices.Contains(known, name) && len(known) == 0:
			return problem("malformed", "The query parameter %q is not known; there are none here.", name)
		case !slices.Contains(known, name):
			return problem("malformed", "The query parameter %q is not known; there are %s.", name, strings.Join(known, ", "))
		case len(values) > 1:
			return problem("malformed", "The query parameter %q is there twice. Send it once.", name)
		}
	}
	return nil
}

// flag reads a query parameter that is true or false; false if it is left out.
func flag(r *http.Request, name string) (bool, error) {
	switch v := r.URL.Query().Get(name); v {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, problem("malformed", "The query parameter %s is %q. Send true or false.", name, v)
	}
}

// etag is the strong entity tag of a revision.
func etag(rev farm.Revision) string { return `"` + strconv.FormatInt(int64(rev), 10) + `"` }

// condition is an If-Match or If-None-Match header.
type condition struct {
	given bool
	any   bool
	tags  []string // as sent, weak ones with W/
}

func conditionOf(r *http.Request, header string) (condition, error) {
	text := strings.Join(r.Header.Values(header), ",")
	c := condition{given: len(r.Header.Values(header)) > 0}
	rest := strings.Trim(text, " \t")
	if rest == "*" {
		c.any = true
		return c, nil
	}
	for c.given {
		weak := ""
		if strings.HasPrefix(rest, "W/") {
			weak, rest = "W/", rest[2:]
		}
		tag, after, ok := cutTag(rest)
		if !ok {
			return c, problem("malformed", `%s is not well formed. Send an ETag in its quotes, like "42", a list of them, or *.`, header)
		}
		c.tags = append(c.tags, weak+tag)
		rest = strings.TrimLeft(after, " \t")
		if rest == "" {
			return c, nil
		}
		if !strings.HasPrefix(rest, ",") {
			return c, problem("malformed", "%s is not well formed: commas separate ETags.", header)
		}
		rest = strings.TrimLeft(rest[1:], " \t")
	}
	return c, nil
}

func cutTag(s string) (tag, after string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		return "", "", false
	}
	end := strings.IndexByte(s[1:], '"')
	if end < 0 || strings.ContainsFunc(s[1:end+1], func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return "", "", false
	}
	return s[:end+2], s[end+2:], true
}

// match refuses a write whose If-Match does not name the current revision.
// Weak tags never match here (RFC 9110, 13.1.1).
func (c condition) match(rev farm.Revision) error {
	if !c.given || c.any || slices.Contains(c.tags, etag(rev)) {
		return nil
	}
	p := problem("stale", "If-Match is %s but the current revision is %d. Read the resource again, decide again, and send its new ETag.", strings.Join(c.tags, ", "), rev)
	p.Revision = rev
	return p
}

// replyOne answers with a single resource, or with 304 if the client has it.
func replyOne(w http.ResponseWriter, r *http.Request, rev farm.Revision, body any) error {
	c, err := conditionOf(r, "If-None-Match")
	if err != nil {
		return err
	}
	w.Header().Set("ETag", etag(rev))
	if c.given && (c.any || slices.Contains(c.tags, etag(rev)) || slices.Contains(c.tags, "W/"+etag(rev))) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return reply(w, http.StatusOK, body)
}

// walk is one client's way through the pages of a list.
type walk struct {
	at    farm.Revision // that all pages show; 0: the current one
	from  int           // how many items were on the pages before
	limit int
	list  string // names the list and its filters
}

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// mark is what a continue token says.
type mark struct {
	At   farm.Revision `json:"r"`
	From int           `json:"n"`
	List string        `json:"l"`
}

func walkOf(r *http.Request) (walk, error) {
	query := r.URL.Query()
	w := walk{limit: defaultLimit}
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			return w, problem("malformed", "The query parameter limit is %q. Send a number from 1 to %d.", text, maxLimit)
		}
		w.limit = n
	}
	token := query.Get("continue")
	query.Del("continue")
	query.Del("limit")
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(r.URL.Path + "?" + query.Encode())) // never fails
	w.list = strconv.FormatUint(sum.Sum64(), 36)
	if token == "" {
		return w, nil
	}
	var m mark
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil || m.At < 1 || m.From < 1 || m.List != w.list {
		return w, problem("malformed", "The query parameter continue is not one of this list. Send it as it was received, with the same other parameters, or leave it out to start again.")
	}
	w.at, w.from = m.At, m.From
	return w, nil
}

// cut returns one page of all items and the token for the next, if there is one.
func cut[T any](w walk, at farm.Revision, all []T) (page []T, next string) {
	from := min(w.from, len(all))
	to := min(from+w.limit, len(all))
	if to < len(all) {
		next = w.next(at, to)
	}
	return all[from:to], next
}

func (w walk) next(at farm.Revision, from int) string {
	text, err := json.Marshal(mark{At: at, From: from, List: w.list})
	if err != nil {
		panic(err) // numbers and a string always encode
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// listed returns the Site at the revision that the walk shows.
func (a *API) listed(ctx context.Context, id farm.SiteID, w walk) (*farm.Picture, farm.Revision, error) {
	view, err := a.Store.Current(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("read Farm: %w", err)
	}
	p, err := a.at(ctx, view, id, w.at)
	if err != nil {
		return nil, 0, err
	}
	if p == nil {
		return nil, 0, noSite(id)
	}
	if w.at == 0 {
		return p, view.Revision, nil
	}
	return p, w.at, nil
}

// at returns the Site at a revision; 0: as in the view.
func (a *API) at(ctx context.Context, view *store.View, id farm.SiteID, rev farm.Revision) (*farm.Picture, error) {
	if rev == 0 || rev == view.Revision {
		return view.Sites[id], nil
	}
	if rev > view.Revision {
		return nil, problem("malformed", "The query parameter continue is not one of this Farm. Leave it out to start again.")
	}
	p, err := a.Store.At(ctx, id, rev)
	if err != nil {
		return nil, fmt.Errorf("read Site at revision %d: %w", rev, err)
	}
	return p, nil
}

// Page is one page of a list.
type Page[T any] struct {
	Items    []T           `json:"items"`
	Revision farm.Revision `json:"revision" swaggertype:"integer" format:"int64"` // that all pages of this walk show
	Continue string        `json:"continue,omitempty"`                            // for the next page; left out on the last one
}

// pageOf shows one page of a list of names.
func pageOf[ID, T any](w walk, at farm.Revision, ids []ID, show func(ID) T) Page[T] {
	some, next := cut(w, at, ids)
	page := Page[T]{Items: make([]T, 0, len(some)), Revision: at, Continue: next}
	for _, id := range some {
		page.Items = append(page.Items, show(id))
	}
	return page
}
