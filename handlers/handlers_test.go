package handlers_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"go.uber.org/goleak"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/handlers"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "a-long-random-token"

// bed is an API over a store in memory, with a Site hq.
type bed struct {
	t   testing.TB
	st  *mem.Store
	api *handlers.API
	log *bytes.Buffer // all that was logged
}

// newBed starts one; change adapts the settings.
func newBed(t testing.TB, change ...func(*handlers.Config)) *bed {
	t.Helper()
	b := &bed{t: t, st: mem.New(), log: &bytes.Buffer{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = b.st.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	sum := sha256.Sum256([]byte(token))
	if _, err := b.st.CreateRootToken(ctx, store.TokenHash(hex.EncodeToString(sum[:])), store.Token{Name: "root"}); err != nil {
		t.Fatal(err)
	}
	c := handlers.DefaultConfig()
	c.Store, c.Kinds, c.Version = b.st, fakeKinds{}, "test"
	c.Timing = farm.Timing{TTL: 5 * time.Second, Margin: time.Second, Election: time.Second}
	c.Bounds = c.Timing.Bounds()
	c.Self = handlers.Self{Site: "hq", Broker: "cb-1"}
	c.Log = slog.New(slog.NewTextHandler(&locked{w: b.log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, f := range change {
		f(&c)
	}
	api, err := handlers.New(c, handlers.Beside{Pattern: "/", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, "console")
	})})
	if err != nil {
		t.Fatal(err)
	}
	b.api = api
	t.Cleanup(api.EndStreams)
	b.must("POST", "/sites", `{"id":"hq"}`, 201)
	return b
}

// online creates brokers and makes them present, until the test ends.
func (b *bed) online(ids ...farm.BrokerID) map[farm.BrokerID]store.Session {
	b.t.Helper()
	sessions := map[farm.BrokerID]store.Session{}
	for _, id := range ids {
		b.must("POST", "/sites/hq/brokers", fmt.Sprintf(`{"id":%q}`, id), 201)
		sessions[id] = b.present(id)
	}
	return sessions
}

func (b *bed) present(id farm.BrokerID) store.Session {
	b.t.Helper()
	s, err := b.st.Register(context.Background(), "hq", farm.Presence{Broker: id, Version: "test"}, time.Hour)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

// armed makes three brokers present and stores the verdict that HA is on.
func (b *bed) armed() store.Term {
	b.t.Helper()
	sessions := b.online("cb-1", "cb-2", "cb-3")
	term, err := sessions["cb-1"].Campaign(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	seats := farm.Seats{Armed: true, State: farm.StateOn, Reason: "all-seats-occupied", Epoch: 1, Serving: []farm.BrokerID{"cb-1", "cb-2", "cb-3"}}
	for _, id := range seats.Serving {
		seats.Seats = append(seats.Seats, farm.Seat{Broker: id, Occupant: id})
	}
	if err := term.Apply(context.Background(), b.picture().Seats, &seats, nil, nil); err != nil {
		b.t.Fatal(err)
	}
	return term
}

// own makes a broker the owner of a Provider.
func (b *bed) own(term store.Term, id farm.ProviderID, broker farm.BrokerID) {
	b.t.Helper()
	p := b.picture()
	was := p.Owners[id]
	next := farm.Ownership{Broker: broker, Incarnation: p.Presence[broker].Incarnation, Epoch: was.Value.Epoch + 1, Reason: farm.ReasonInitial}
	d := farm.Decision{Provider: id, Was: was, Next: next, Event: farm.OwnerChanged(id, was.Value, next, time.Unix(0, 0))}
	if err := term.Apply(context.Background(), p.Seats, nil, nil, []farm.Decision{d}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) picture() *farm.Picture {
	b.t.Helper()
	v, err := b.st.Current(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	return v.Sites["hq"]
}

func (b *bed) revision() farm.Revision { return b.picture().Revision }

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// answer is an answer of the API.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	text   string
}

// do asks the API as root. headers are "Name: value".
func (b *bed) do(method, path, body string, headers ...string) answer {
	b.t.Helper()
	if strings.HasPrefix(path, "/sites") || strings.HasPrefix(path, "/farm") || strings.HasPrefix(path, "/provider-types") {
		path = handlers.Base + path
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	b.api.ServeHTTP(w, r)
	a := answer{t: b.t, status: w.Code, header: w.Header(), text: w.Body.String()}
	conforms(b.t, r, a)
	return a
}

// must is do, and fails the test if the status is another one.
func (b *bed) must(method, path, body string, status int, headers ...string) answer {
	b.t.Helper()
	a := b.do(method, path, body, headers...)
	if a.status != status {
		b.t.Fatalf("%s %s %s: status %d, want %d: %s", method, path, body, a.status, status, a.text)
	}
	return a
}

// refused is must for a refusal: it also checks the problem document.
func (b *bed) refused(method, path, body string, status int, code string, headers ...string) handlers.Problem {
	b.t.Helper()
	a := b.must(method, path, body, status, headers...)
	var p handlers.Problem
	a.decode(&p)
	if ct := a.header.Get("Content-Type"); ct != "application/problem+json" {
		b.t.Errorf("%s %s: Content-Type %q", method, path, ct)
	}
	if p.Code != code || p.Status != status || p.Type != "/problems/"+code || p.Title == "" || p.Detail == "" || p.RequestID == "" || p.Instance == "" {
		b.t.Errorf("%s %s: want code %s: %s", method, path, code, a.text)
	}
	return p
}

func (a answer) decode(to any) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.text), to); err != nil {
		a.t.Fatalf("%v: %s", err, a.text)
	}
}

// at returns what a JSON pointer points at in the answer.
func (a answer) at(pointer string) any {
	a.t.Helper()
	var v any
	a.decode(&v)
	for _, name := range strings.Split(pointer, "/")[1:] {
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

// has checks what is at pointers: pointer, value, pointer, value…
func (a answer) has(pairs ...any) answer {
	a.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		got := a.at(pairs[i].(string))
		if fmt.Sprint(got) != fmt.Sprint(pairs[i+1]) {
			a.t.Errorf("%s is %v, want %v in %s", pairs[i], got, pairs[i+1], a.text)
		}
	}
	return a
}

var document = sync.OnceValues(func() (routers.Router, error) {
	text, err := os.ReadFile("../openapi/openapi.json")
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return nil, err
	}
	return legacy.NewRouter(doc)
})

// conforms fails the test if the answer is not as the OpenAPI document says.
func conforms(t testing.TB, r *http.Request, a answer) {
	t.Helper()
	if a.status == http.StatusMethodNotAllowed || r.Method == http.MethodHead || strings.HasSuffix(r.URL.Path, "/") {
		return // no operation
	}
	router, err := document()
	if err != nil {
		t.Fatal(err)
	}
	route, params, err := router.FindRoute(r)
	if err != nil {
		if a.status < 300 && a.text != "console" {
			t.Errorf("%s %s is not documented: %v", r.Method, r.URL, err)
		}
		return
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, Route: route, PathParams: params},
		Status:                 a.status,
		Header:                 a.header,
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	}
	in.SetBodyBytes([]byte(a.text))
	if route.Path == "/api/v1/sites/{site}/watch" {
		return // a stream
	}
	if err := openapi3filter.ValidateResponse(context.Background(), in); err != nil {
		t.Errorf("%s %s: the answer %d is not as documented: %v\n%s", r.Method, r.URL, a.status, err, a.text)
	}
}

// fakeKinds knows one kind of Provider.
type fakeKinds struct{}

func (fakeKinds) Types() []handlers.ProviderType {
	return []handlers.ProviderType{{ID: "fake", Name: "Fake", Description: "For tests.", Options: json.RawMessage(`{"type":"object"}`)}}
}

func (fakeKinds) Check(p farm.Provider, _ string) (faults []handlers.Fault) {
	if p.Type != "fake" {
		faults = append(faults, handlers.Fault{Pointer: "/type", Detail: "must be fake"})
	}
	if p.Address == "nowhere" {
		faults = append(faults, handlers.Fault{Pointer: "/address", Detail: "must be somewhere"})
	}
	for i := range strings.Count(string(p.Options), "bad") {
		faults = append(faults, handlers.Fault{Pointer: fmt.Sprint("/options/bad", i), Detail: "is not known"})
	}
	return faults
}

func (fakeKinds) Test(_ context.Context, p farm.Provider, secret string) handlers.TestResult {
	if secret != "secret" {
		return handlers.TestResult{Reason: farm.ReasonInvalidCredentials, Message: "The password is wrong.", Err: errors.New("401 from the fake")}
	}
	return handlers.TestResult{OK: true, Hosts: 3, Took: time.Millisecond}
}

// withHosts makes a connected Provider with n Hosts; every other one is off.
func (b *bed) withHosts(id farm.ProviderID, n int) {
	b.t.Helper()
	sessions := b.online("cb-1", "cb-2", "cb-3")
	term, err := sessions["cb-1"].Campaign(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	b.must("POST", "/sites/hq/providers", fmt.Sprintf(`{"id":%q,"type":"fake"}`, id), 201)
	b.own(term, id, "cb-1")
	u := store.Update{Report: &farm.Report{Epoch: 1, State: farm.Connected, Hosts: n, UsableHosts: n - n/2}}
	for i := range n {
		h := farm.Host{ID: farm.HostID(fmt.Sprintf("vm/%d", i)), Name: fmt.Sprint("desk ", i), State: farm.HostOn, Epoch: 1}
		if i%2 == 1 {
			h.State = farm.HostOff
		}
		u.Hosts = append(u.Hosts, h)
	}
	if err := sessions["cb-1"].Report(context.Background(), id, b.picture().Owners[id], u); err != nil {
		b.t.Fatal(err)
	}
}
