package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/handlers"
	"github.com/quorate/quorate/store"
)

func TestEveryRouteIsDocumentedAndEveryOperationIsRouted(t *testing.T) {
	text, err := os.ReadFile("../openapi/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Error(err)
	}
	documented := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			documented[method+" "+path] = true
		}
	}
	for _, r := range newBed(t).api.Routes() {
		name := r.Method + " " + r.Path
		if !documented[name] {
			t.Errorf("%s is not documented", name)
			continue
		}
		delete(documented, name)
		var params []string
		for _, p := range doc.Paths.Value(r.Path).GetOperation(r.Method).Parameters {
			if p.Value.In == "query" {
				params = append(params, p.Value.Name)
			}
		}
		slices.Sort(params)
		known := slices.Sorted(slices.Values(r.Query))
		if !slices.Equal(params, known) {
			t.Errorf("%s takes the query parameters %v, documented are %v", name, known, params)
		}
	}
	for name := range documented {
		t.Errorf("%s is documented but not routed", name)
	}
}

func TestEveryProblemIsExplained(t *testing.T) {
	b := newBed(t)
	var list handlers.ProblemKinds
	b.must("GET", "/problems", "", 200).decode(&list)
	seen := map[string]bool{}
	for _, k := range list.Items {
		if seen[k.Code] || k.Title == "" || k.Description == "" || k.Status < 400 {
			t.Errorf("%+v", k)
		}
		seen[k.Code] = true
		b.must("GET", "/problems/"+k.Code, "", 200).has("/code", k.Code)
	}
	b.refused("GET", "/problems/none", "", 404, "not-found")
	source, err := os.ReadFile("../farm/rules.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`Code\w+\s+Code = "(.+)"`).FindAllStringSubmatch(string(source), -1) {
		if !seen[m[1]] {
			t.Errorf("rule %s is not explained", m[1])
		}
	}
}

func TestNobodyGetsInWithoutAToken(t *testing.T) {
	b := newBed(t)
	b.online("cb-1")
	for _, h := range []string{"Authorization: ", "Authorization: Bearer", "Authorization: Bearer ", "Authorization: Bearer wrong", "Authorization: Basic " + token, "Authorization: " + token} {
		for _, r := range b.api.Routes() {
			if !strings.HasPrefix(r.Path, "/api/") {
				continue
			}
			a := b.do(r.Method, strings.TrimPrefix(r.Path, handlers.Base), "{}", h)
			if a.status != 401 || a.header.Get("WWW-Authenticate") == "" {
				t.Fatalf("%s %s with %q: %d %s", r.Method, r.Path, h, a.status, a.text)
			}
		}
		b.refused("GET", "/api/v1/unknown", "", 401, "unauthorized", h)
		b.refused("GET", "/api", "", 401, "unauthorized", h)
		b.must("GET", "/healthz", "", 200, h)
		b.must("GET", "/readyz", "", 200, h)
	}
	b.must("GET", "/farm", "", 200, "Authorization: bearer "+token)
	if strings.Contains(b.log.String(), token) {
		t.Error("the token was logged")
	}
}

func TestUnknownRoutesAndMethods(t *testing.T) {
	b := newBed(t)
	b.refused("GET", "/api/v1/nothing", "", 404, "not-found")
	b.refused("GET", "/api/v2/sites", "", 404, "not-found")
	b.refused("GET", "/sites/", "", 404, "not-found")
	b.refused("POST", "/nothing", "", 404, "not-found")
	if a := b.must("GET", "/nothing", "", 200); a.text != "console" {
		t.Errorf("the console serves the rest: %s", a.text)
	}
	for path, allow := range map[string]string{
		"/sites":                         "GET, HEAD, POST",
		"/sites/hq":                      "GET, HEAD, PUT, PATCH, DELETE",
		"/sites/hq/brokers/cb-1/drain":   "POST",
		"/sites/hq/hosts":                "GET, HEAD",
		"/healthz":                       "GET, HEAD",
		"/sites/hq/providers/a%2Fb/test": "POST",
	} {
		a := b.must("OPTIONS", path, "", 405)
		if got := a.header.Get("Allow"); got != allow {
			t.Errorf("%s: Allow %q, want %q", path, got, allow)
		}
	}
	b.refused("DELETE", "/sites", "", 405, "method-not-allowed")
	if a := b.must("HEAD", "/sites/hq", "", 200); a.header.Get("ETag") == "" {
		t.Error("HEAD has the ETag of GET")
	}
}

func TestRequestIDAndHeaders(t *testing.T) {
	b := newBed(t)
	a := b.must("GET", "/farm", "", 200, "X-Request-Id: abc-123")
	if a.header.Get("X-Request-Id") != "abc-123" {
		t.Error("a sane request id is kept")
	}
	if a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", a.header)
	}
	p := b.refused("GET", "/sites/nope", "", 404, "not-found", "X-Request-Id: a b\x7f")
	if p.RequestID == "" || strings.Contains(p.RequestID, " ") {
		t.Errorf("request id %q", p.RequestID)
	}
	if p.Instance != "/api/v1/sites/nope" {
		t.Errorf("instance %q", p.Instance)
	}
}

func TestListsPageThroughOneRevision(t *testing.T) {
	b := newBed(t)
	for i := range 7 {
		b.must("POST", "/sites/hq/brokers", fmt.Sprintf(`{"id":"cb-%d"}`, 7-i), 201)
	}
	type page struct {
		Items    []struct{ ID, Name string }
		Revision int64
		Continue string
	}
	var got []string
	var revision int64
	token := ""
	for n := 0; ; n++ {
		var p page
		b.must("GET", "/sites/hq/brokers?limit=3&continue="+token, "", 200).decode(&p)
		for _, i := range p.Items {
			got = append(got, i.ID+i.Name)
		}
		if revision == 0 {
			revision = p.Revision
		}
		if p.Revision != revision {
			t.Errorf("page at revision %d, the first was at %d", p.Revision, revision)
		}
		if token = p.Continue; token == "" {
			break
		}
		b.must("POST", "/sites/hq/brokers", fmt.Sprintf(`{"id":"new-%d","priority":0}`, n), 201)
		b.must("PATCH", "/sites/hq/brokers/cb-1", `{"name":"changed","priority":0}`, 200)
	}
	if want := "cb-7 cb-6 cb-5 cb-4 cb-3 cb-2 cb-1"; strings.Join(got, " ") != want {
		t.Errorf("listed %v, want %s", got, want)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "continue=x", "continue=e30", "limit=1&limit=2", "offset=1", "limit=%zz"} {
		b.refused("GET", "/sites/hq/brokers?"+query, "", 400, "malformed")
	}
	var p page
	b.must("GET", "/sites/hq/brokers?limit=1", "", 200).decode(&p)
	b.refused("GET", "/sites/hq/providers?continue="+p.Continue, "", 400, "malformed")
	b.must("POST", "/sites", `{"id":"a"}`, 201)
	b.must("GET", "/sites?limit=1", "", 200).has("/items/0/id", "a").decode(&p)
	b.must("POST", "/sites", `{"id":"b"}`, 201)
	b.must("GET", "/sites?limit=1&continue="+p.Continue, "", 200).has("/items/0/id", "hq", "/continue", nil)
	b.must("GET", "/sites", "", 200).has("/items/1/id", "b")
	b.refused("GET", "/sites/nope/brokers", "", 404, "not-found")
	b.must("GET", "/sites?limit=1", "", 200).decode(&p)
	b.must("POST", "/sites", `{"id":"c"}`, 201)
	b.st.Forget()
	b.refused("GET", "/sites?limit=1&continue="+p.Continue, "", 410, "revision-gone")
}

func TestEventsAreListedForwardsAndBackwards(t *testing.T) {
	b := newBed(t)
	for i := range 5 {
		b.must("PATCH", "/sites/hq", fmt.Sprintf(`{"name":"n%d"}`, i), 200)
	}
	a := b.must("GET", "/sites/hq/events?since=0", "", 200).has("/items/0/type", "config.changed", "/items/0/subject", "site",
		"/items/0/message", "Site hq was created", "/items/0/cause", "tokens/root", "/items/1/message", "Site hq was changed (name)")
	all := a.at("/items").([]any)
	if len(all) != 6 {
		t.Fatalf("%d events", len(all))
	}
	b.must("GET", "/sites/hq/events", "", 200).has("/items/0/id", a.at("/items/0/id"), "/items/5/id", a.at("/items/5/id"))
	first := b.must("GET", "/sites/hq/events?limit=4", "", 200).has("/items/0/id", a.at("/items/2/id"), "/items/3/id", a.at("/items/5/id"))
	b.must("GET", "/sites/hq/events?limit=4&continue="+first.at("/continue").(string), "", 200).has(
		"/items/0/id", a.at("/items/0/id"), "/items/1/id", a.at("/items/1/id"), "/items/2", nil, "/continue", nil)
	second := int64(a.at("/items/1/revision").(float64))
	forward := b.must("GET", fmt.Sprintf("/sites/hq/events?limit=3&since=%d", second), "", 200).has("/items/0/id", a.at("/items/2/id"))
	b.must("GET", fmt.Sprintf("/sites/hq/events?limit=3&since=%d&continue=%s", second, forward.at("/continue")), "", 200).has("/items/0/id", a.at("/items/5/id"))
	b.refused("GET", "/sites/hq/events?since=-1", "", 400, "malformed")
	b.refused("GET", "/sites/hq/events?since=x", "", 400, "malformed")
}

func TestFarm(t *testing.T) {
	b := newBed(t)
	b.must("GET", "/farm", "", 200).has("/version", "test", "/sites/0/id", "hq", "/etcd/healthy", true, "/leaseTTL", "5s",
		"/takeoverBounds/brokerLost", "6s", "/self/broker", "cb-1")
}

func TestSimulate(t *testing.T) {
	b := newBed(t)
	term := b.armed()
	b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake"}`, 201)
	b.own(term, "vc-1", "cb-1")
	before := b.revision()
	a := b.must("POST", "/sites/hq/simulate", `{"fail":["cb-1"]}`, 200).has(
		"/highAvailability/state", "degraded", "/providers/0/id", "vc-1", "/providers/0/before", "cb-1", "/unbounded", false)
	if after := a.at("/providers/0/after"); after != "cb-2" && after != "cb-3" {
		t.Errorf("after the loss the owner is %v: %s", after, a.text)
	}
	b.must("POST", "/sites/hq/simulate", `{"fail":["cb-1","cb-2"]}`, 200).has("/highAvailability/state", "lost", "/unbounded", true, "/longestOutage", nil)
	b.must("POST", "/sites/hq/simulate", `{"partition":[["cb-1"],["cb-2","cb-3"]]}`, 200).has("/highAvailability/state", "degraded")
	b.must("POST", "/sites/hq/simulate", `{"set":{"providers":{"vc-1":{"enabled":false}}}}`, 200).has("/providers/0/after", "")
	b.must("POST", "/sites/hq/simulate", `{"set":{"brokers":{"cb-3":{"enabled":false}},"site":{"tieBreaker":"priority"}}}`, 200).has("/highAvailability/state", "off")
	b.must("POST", "/sites/hq/simulate", `{}`, 200).has("/highAvailability/state", "on", "/providers/0/after", "cb-1")
	for body, pointer := range map[string]string{
		`{"fail":["cb-9"]}`:                                "/fail/0",
		`{"restore":["cb-1","cb-9"]}`:                      "/restore/1",
		`{"partition":[["cb-1","cb-9"]]}`:                  "/partition/0/1",
		`{"partition":[["cb-1"],["cb-1"]]}`:                "/partition/1/0",
		`{"fail":["cb-1"],"restore":["cb-1"]}`:             "/restore/0",
		`{"fail":"cb-1"}`:                                  "/fail",
		`{"set":{"brokers":{"cb-9":{}}}}`:                  "/set/brokers/cb-9",
		`{"set":{"brokers":{"cb-1":{"nam":1}}}}`:           "/set/brokers/cb-1/nam",
		`{"set":{"brokers":{"cb-1":{"mode":"x"}}}}`:        "/set/brokers/cb-1/mode",
		`{"set":{"brokers":{"cb-1":{"status":{}}}}}`:       "/set/brokers/cb-1/status",
		`{"set":{"providers":{"vc-9":{}}}}`:                "/set/providers/vc-9",
		`{"set":{"site":{"failback":{"holdDown":"-1s"}}}}`: "/set/site/failback/holdDown",
		`{"set":{"site":[]}}`:                              "/set/site",
		`{"set":{"all":{}}}`:                               "/set/all",
		`{"set":{"providers":{"vc-1":{"preferredConnectionBroker":{"mode":"manual","broker":"cb-9"}}}}}`: "/set/providers/vc-1/preferredConnectionBroker/broker",
	} {
		p := b.refused("POST", "/sites/hq/simulate", body, 422, "invalid")
		if len(p.Errors) != 1 || p.Errors[0].Pointer != pointer {
			t.Errorf("%s: errors %+v", body, p.Errors)
		}
	}
	if b.revision() != before {
		t.Error("a simulation stored something")
	}
}

// away is a store that answers nothing, or with one error.
type away struct {
	store.Store
	view *store.View
	err  error
}

func (s away) Latest() *store.View { return s.view }
func (s away) Current(ctx context.Context) (*store.View, error) {
	if s.err != nil {
		return nil, s.err
	}
	<-ctx.Done()
	return nil, errors.Join(store.ErrUnavailable, ctx.Err())
}
func (s away) Edit(ctx context.Context, _ farm.SiteID, _ func(*farm.Picture) (store.Change, error)) (*farm.Picture, error) {
	_, err := s.Current(ctx)
	return nil, err
}
func (s away) Secret(ctx context.Context, _ farm.SiteID, _ farm.ProviderID) (string, error) {
	_, err := s.Current(ctx)
	return "", err
}
func (s away) Health(context.Context) store.Health { return store.Health{Problem: "etcd is away."} }

func TestStorageThatDoesNotAnswer(t *testing.T) {
	known := newBed(t)
	b := newBed(t)
	view := known.st.Latest()
	b.api.Store = away{view: view}
	b.api.RequestTimeout = 10 * time.Millisecond
	for _, r := range b.api.Routes() {
		if !strings.HasPrefix(r.Path, handlers.Base+"/sites") {
			continue
		}
		body := map[string]string{"POST": `{"id":"x"}`, "PUT": `{"type":"fake"}`, "PATCH": `{}`}[r.Method]
		path := strings.NewReplacer("{site}", "hq", "{broker}", "cb-1", "{provider}", "vc-1", "{host}", "h").Replace(r.Path)
		switch {
		case strings.HasSuffix(path, "/providers"):
			body = `{"id":"x","type":"fake"}`
		case strings.HasSuffix(path, "/move"):
			body = `{"broker":"cb-1"}`
		case strings.HasSuffix(path, "/simulate"), r.Method == "POST" && strings.Contains(path, "-1/"):
			body = `{}`
		}
		a := b.do(r.Method, strings.TrimPrefix(path, handlers.Base), body, "If-Match: *")
		if a.status != 503 || a.header.Get("Retry-After") == "" {
			t.Errorf("%s %s: %d %s", r.Method, path, a.status, a.text)
		}
	}
	b.must("GET", "/healthz", "", 200)
	b.must("GET", "/readyz", "", 503).has("/ready", false, "/checks/0/name", "etcd", "/checks/0/detail", "etcd is away.", "/checks/1/ok", false, "/checks/1/detail", "etcd is away.")
	b.api.Store = away{view: &store.View{}}
	b.refused("GET", "/sites", "", 503, "unavailable") // not 401: whether the token is valid is not known
}

func TestErrorsOfStorage(t *testing.T) {
	b := newBed(t)
	view := b.st.Latest()
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{store.ErrUnavailable, 503, "unavailable"},
		{store.ErrFull, 503, "storage-full"},
		{store.ErrUnreadable, 503, "unreadable"},
		{store.ErrOtherFarm, 503, "other-farm"},
		{store.ErrConflict, 409, "conflict"},
		{context.DeadlineExceeded, 503, "unavailable"},
		{errors.New("the password is hunter2"), 500, "internal"},
	} {
		b.api.Store = away{view: view, err: fmt.Errorf("deep down: %w", c.err)}
		a := b.do("PATCH", "/sites/hq", `{}`)
		if a.status != c.status || !strings.Contains(a.text, c.code) || strings.Contains(a.text, "deep down") {
			t.Errorf("%v: %d %s", c.err, a.status, a.text)
		}
		if a.status == 500 && !strings.Contains(b.log.String(), "hunter2") {
			t.Error("an unknown error is logged")
		}
	}
}

func TestPanicIsAProblem(t *testing.T) {
	b := newBed(t)
	b.api.Store = away{view: b.st.Latest(), err: nil}
	b.api.Kinds = nil
	p := b.refused("GET", "/provider-types", "", 500, "internal")
	if strings.Contains(p.Detail, "nil") {
		t.Errorf("detail %q", p.Detail)
	}
	if !strings.Contains(b.log.String(), "handler panicked") {
		t.Error("a panic is logged")
	}
}

func TestObserveHearsOfRequests(t *testing.T) {
	var heard []string
	b := newBed(t, func(c *handlers.Config) {
		c.Observe = func(method, route string, status int, _ time.Duration) {
			heard = append(heard, fmt.Sprint(method, " ", route, " ", status))
		}
	})
	heard = nil
	b.must("GET", "/sites/hq", "", 200)
	b.must("GET", "/sites/nope", "", 404)
	if want := "[GET /api/v1/sites/{site} 200 GET /api/v1/sites/{site} 404]"; fmt.Sprint(heard) != want {
		t.Errorf("heard %v", heard)
	}
}

func TestConfigNamesAllFaults(t *testing.T) {
	_, err := handlers.New(handlers.Config{})
	if err == nil || strings.Count(err.Error(), "\n") < 5 {
		t.Errorf("faults: %v", err)
	}
}

// bodies that a program or a person might send, to vary.
var seeds = []string{
	`{"id":"x","name":"n","description":"d","failback":{"mode":"automatic","holdDown":"10s"},"tieBreaker":"none","maxParallelMoves":8}`,
	`{"id":"cb-9","address":"https://10.0.0.2:8080","mode":"active","priority":1,"enabled":true,"status":{"state":"online","draining":false}}`,
	`{"id":"vc-9","type":"fake","credentials":{"username":"u","password":"p"},"options":{"a":[1,{"b":null}]},"preferredConnectionBroker":{"mode":"manual","broker":"cb-1"}}`,
	`{"fail":["cb-1"],"restore":[],"partition":[["cb-1"],["cb-2"]],"set":{"site":{"name":"x"},"brokers":{"cb-1":{"enabled":false}},"providers":{"vc-1":{"enabled":null}}}}`,
	`{"broker":"cb-1"}`, `{}`, `[]`, `null`, `{"a":`, `"\ud800"`, `{"revision":9223372036854775808,"createdAt":"2026-01-01T00:00:00Z"}`,
}

// writeRoutes are requests that take a body, for things that are there.
var writeRoutes = []string{
	"POST /sites", "PUT /sites/hq", "PATCH /sites/hq", "POST /sites/hq/simulate",
	"POST /sites/hq/brokers", "PUT /sites/hq/brokers/cb-1", "PATCH /sites/hq/brokers/cb-1", "POST /sites/hq/brokers/cb-1/drain", "POST /sites/hq/brokers/cb-1/move-up",
	"POST /sites/hq/providers", "PUT /sites/hq/providers/vc-1", "PATCH /sites/hq/providers/vc-1",
	"POST /sites/hq/providers/vc-1/move", "POST /sites/hq/providers/vc-1/unpin", "POST /sites/hq/providers/vc-1/test",
}

// tame asks with any body and checks what must hold for all of them.
func (b *bed) tame(route, body string) {
	b.t.Helper()
	method, path, _ := strings.Cut(route, " ")
	r := httptest.NewRequest(method, handlers.Base+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("If-Match", "*")
	before := b.st.Latest().Revision
	w := httptest.NewRecorder()
	b.api.ServeHTTP(w, r)
	if w.Code >= 200 && w.Code < 300 {
		if !json.Valid(w.Body.Bytes()) {
			b.t.Errorf("%s %q: %d %s", route, body, w.Code, w.Body)
		}
		return
	}
	var p handlers.Problem
	err := json.Unmarshal(w.Body.Bytes(), &p)
	if w.Code >= 500 || err != nil || p.Code == "" || p.Status != w.Code || w.Header().Get("Content-Type") != "application/problem+json" {
		b.t.Errorf("%s %q: %d %s", route, body, w.Code, w.Body)
	}
	if after := b.st.Latest().Revision; after != before {
		b.t.Errorf("%s %q: refused with %d, yet something was stored", route, body, w.Code)
	}
}

func newFuzzBed(t testing.TB) *bed {
	b := newBed(t, func(c *handlers.Config) { c.Log = handlers.DefaultConfig().Log })
	b.online("cb-1", "cb-2", "cb-3")
	b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake"}`, 201)
	return b
}

func FuzzWriteBodies(f *testing.F) {
	for i := range writeRoutes {
		for _, s := range seeds {
			f.Add(i, s)
		}
	}
	b := newFuzzBed(f)
	f.Fuzz(func(t *testing.T, route int, body string) {
		b.t = t
		b.tame(writeRoutes[uint(route)%uint(len(writeRoutes))], body)
	})
}

func TestTenThousandMalformedBodies(t *testing.T) {
	b := newFuzzBed(t)
	// A small generator of its own, so that every run sees the same bodies.
	state := uint64(42)
	rnd := func(n int) int {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		return int(state % uint64(n))
	}
	const junk = "{}[]\":,\\/0123456789.eE+-truefalsn \x00\x7f\xff\n"
	for i := range 10_000 {
		text := []byte(seeds[rnd(len(seeds))])
		for range 1 + rnd(4) {
			at := rnd(len(text) + 1)
			switch rnd(4) {
			case 0:
				text = text[:at]
			case 1:
				text = slices.Insert(text, at, junk[rnd(len(junk))])
			case 2:
				text = slices.Delete(text, at, min(len(text), at+1+rnd(5)))
			default:
				other := seeds[rnd(len(seeds))]
				text = append(text[:at:at], other[rnd(len(other)):]...)
			}
		}
		b.tame(writeRoutes[i%len(writeRoutes)], string(text))
		if t.Failed() {
			return
		}
	}
}

var _ http.Handler = (*handlers.API)(nil)
