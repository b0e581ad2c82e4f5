package handlers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/handlers"
	"github.com/quorate/quorate/store"
)

func secretOf(t *testing.T, b *bed, id farm.ProviderID) string {
	t.Helper()
	s, err := b.st.Secret(context.Background(), "hq", id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestProviderPreferenceIsChosen(t *testing.T) {
	b := newBed(t)
	b.refused("POST", "/sites/hq/providers", `{"id":"vc-0","type":"fake"}`, 409, "no-broker-available")
	b.online("cb-1", "cb-2")
	a := b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake"}`, 201).has(
		"/preferredConnectionBroker/mode", "manual", "/preferredConnectionBroker/broker", "cb-1", "/enabled", true)
	if why, _ := a.at("/status/preference/message").(string); !strings.Contains(why, "cb-1") {
		t.Errorf("the answer does not say what was chosen and why: %q", why)
	}
	b.refused("POST", "/sites/hq/providers", `{"id":"vc-2","type":"fake","preferredConnectionBroker":{"mode":"automatic"}}`, 409, "three-active-brokers-required")
	b.refused("PATCH", "/sites/hq/providers/vc-1", `{"preferredConnectionBroker":{"mode":"automatic"}}`, 409, "three-active-brokers-required")
	b.online("cb-3")
	b.must("POST", "/sites/hq/providers", `{"id":"vc-2","type":"fake"}`, 201).has("/preferredConnectionBroker/mode", "automatic")
	b.must("PATCH", "/sites/hq/providers/vc-1", `{"preferredConnectionBroker":{"mode":"automatic"}}`, 200).has(
		"/preferredConnectionBroker/mode", "automatic", "/preferredConnectionBroker/broker", nil)
	b.must("PUT", "/sites/hq/providers/vc-1", `{"type":"fake","name":"x"}`, 200, "If-Match: *").has("/preferredConnectionBroker/mode", "automatic")
	p := b.refused("PATCH", "/sites/hq/providers/vc-1", `{"preferredConnectionBroker":{"mode":"manual","broker":"cb-9"}}`, 422, "unknown-broker")
	if len(p.Errors) != 1 || p.Errors[0].Pointer != "/preferredConnectionBroker/broker" {
		t.Errorf("errors %+v", p.Errors)
	}
	b.refused("POST", "/sites/hq/providers", `{"id":"vc-3","type":"fake","preferredConnectionBroker":{"mode":"manual","broker":"cb-9"}}`, 422, "unknown-broker")
}

func TestProviderBodiesThatAreRefused(t *testing.T) {
	b := newBed(t)
	b.online("cb-1")
	for body, pointer := range map[string]string{
		`{"id":"x"}`:               "/type",
		`{"id":"x","type":"none"}`: "/type",
		`{"id":"x","type":"fake","address":"nowhere"}`:                                              "/address",
		`{"id":"x","type":"fake","options":{"bad":1}}`:                                              "/options/bad0",
		`{"id":"x","type":"fake","options":[]}`:                                                     "/options",
		`{"id":"x","type":"fake","preferredConnectionBroker":{}}`:                                   "/preferredConnectionBroker/mode",
		`{"id":"x","type":"fake","preferredConnectionBroker":{"mode":"manual"}}`:                    "/preferredConnectionBroker/broker",
		`{"id":"x","type":"fake","preferredConnectionBroker":{"mode":"automatic","broker":"cb-1"}}`: "/preferredConnectionBroker/broker",
		`{"id":"x","type":"fake","credentials":{"username":"a\nb"}}`:                                "/credentials/username",
		`{"id":"x","type":"fake","credentials":{"user":"a"}}`:                                       "/credentials/user",
		`{"id":"x","type":"fake","credentials":"a"}`:                                                "/credentials",
		`{"id":"x","type":"fake","credentials":{"password":1}}`:                                     "/credentials/password",
	} {
		p := b.refused("POST", "/sites/hq/providers", body, 422, "invalid")
		if len(p.Errors) != 1 || p.Errors[0].Pointer != pointer {
			t.Errorf("%s: errors %+v", body, p.Errors)
		}
	}
}

func TestPasswordIsWrittenAndNeverReadBack(t *testing.T) {
	b := newBed(t)
	b.online("cb-1")
	path := "/sites/hq/providers/vc-1"
	all := b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake","credentials":{"username":"u","password":"hunter2"}}`, 201).has("/credentials/username", "u").text
	step := func(method, body, username, secret string) {
		t.Helper()
		a := b.must(method, path, body, 200, "If-Match: *").has("/credentials/username", username)
		all += a.text
		if got := secretOf(t, b, "vc-1"); got != secret {
			t.Errorf("%s %s: the secret is %q, want %q", method, body, got, secret)
		}
	}
	step("PATCH", `{"name":"x"}`, "u", "hunter2")
	step("PUT", `{"type":"fake"}`, "u", "hunter2")
	step("PUT", `{"type":"fake","credentials":{"username":"v","password":"hunter2"}}`, "v", "hunter2")
	step("PATCH", `{"credentials":{"password":"hunter3"}}`, "v", "hunter3")
	step("PATCH", `{"credentials":{"username":"w","password":"hunter3"}}`, "w", "hunter3")
	step("PATCH", `{"credentials":{"password":null}}`, "w", "")
	step("PUT", `{"type":"fake","credentials":{"username":"w","password":"hunter4"}}`, "w", "hunter4")
	step("PUT", `{"type":"fake","credentials":{"username":"w","password":""}}`, "w", "")
	step("PATCH", `{"credentials":{"password":"hunter5"}}`, "w", "hunter5")
	step("PATCH", `{"credentials":null}`, "", "")
	for _, e := range b.picture().Events {
		all += e.Message
	}
	if strings.Contains(all+b.log.String(), "hunter") {
		t.Error("a password was answered or logged")
	}
}

// A driver's faults are told of one by one, each at its field, and not more than
// a person reads.
func TestFaultsOfATypeAreToldOfOneByOne(t *testing.T) {
	b := newBed(t)
	b.online("cb-1")
	p := b.refused("POST", "/sites/hq/providers", `{"id":"x","type":"fake","address":"nowhere","options":{"bad":1}}`, 422, "invalid")
	if len(p.Errors) != 2 || p.Errors[0] != (handlers.Fault{Pointer: "/address", Detail: "must be somewhere"}) || p.Errors[1].Pointer != "/options/bad0" {
		t.Errorf("errors %+v", p.Errors)
	}
	body := `{"id":"x","type":"fake","options":{"a":"` + strings.Repeat("bad", 300_000) + `"}}`
	a := b.must("POST", "/sites/hq/providers?dryRun=true", body, 422)
	if len(a.text) > 10_000 {
		t.Errorf("the answer has %d bytes", len(a.text))
	}
}

// Whoever may change a Provider must not learn its password by having it sent
// to a place of their own.
func TestAStoredPasswordGoesNowhereElse(t *testing.T) {
	b := newBed(t)
	b.online("cb-1")
	b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake","address":"a","options":{"trust":1},"credentials":{"username":"u","password":"p"}}`, 201)
	const path = "/sites/hq/providers/vc-1"
	for _, query := range []string{"", "?dryRun=true"} {
		for _, patch := range []string{
			`{"address":"b"}`, `{"address":null}`, `{"credentials":{"username":"v"}}`, `{"credentials":{"username":null}}`,
			`{"options":{"trust":2}}`, `{"options":null}`, `{"options":{"more":1}}`,
		} {
			p := b.refused("PATCH", path+query, patch, 422, "invalid")
			if len(p.Errors) != 1 || p.Errors[0].Pointer != "/credentials/password" || !strings.Contains(p.Detail, "stored password") {
				t.Errorf("%s: %+v", patch, p)
			}
		}
		b.refused("PUT", path+query, `{"type":"fake","address":"b","options":{"trust":1}}`, 422, "invalid", "If-Match: *")
		b.refused("PUT", path+query, `{"type":"fake"}`, 422, "invalid", "If-Match: *")
	}
	b.must("PATCH", path, `{"name":"x","enabled":false,"options":{"trust":1},"address":"a","credentials":{"username":"u"}}`, 200)
	b.must("PUT", path, `{"type":"fake","address":"a","options":{ "trust" : 1 }}`, 200, "If-Match: *")
	b.must("PATCH", path, `{"address":"b","credentials":{"password":"p"}}`, 200)
	b.must("PATCH", path, `{"address":"c","credentials":{"password":""}}`, 200)
	b.must("PATCH", path, `{"address":"d"}`, 200)
	if s := secretOf(t, b, "vc-1"); s != "" {
		t.Errorf("the secret is %q", s)
	}
}

// meddled is a store in which somebody else acts at an awkward moment, once.
type meddled struct {
	store.Store
	beforeSecret, afterSecret, beforeEdit func()
}

func once(do *func()) {
	if now := *do; now != nil {
		*do = nil
		now()
	}
}

func (s *meddled) Secret(ctx context.Context, site farm.SiteID, id farm.ProviderID) (string, error) {
	once(&s.beforeSecret)
	secret, err := s.Store.Secret(ctx, site, id)
	once(&s.afterSecret)
	return secret, err
}

func (s *meddled) Edit(ctx context.Context, site farm.SiteID, decide func(*farm.Picture) (store.Change, error)) (*farm.Picture, error) {
	once(&s.beforeEdit)
	return s.Store.Edit(ctx, site, decide)
}

func TestAPasswordThatIsStoredMeanwhileGoesNowhereElse(t *testing.T) {
	b := newBed(t)
	b.online("cb-1")
	const path = "/sites/hq/providers/vc-1"
	b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake","address":"a"}`, 201)
	set := func() { b.must("PATCH", path, `{"credentials":{"password":"p"}}`, 200) }
	b.api.Store = &meddled{Store: b.st, afterSecret: set}
	b.refused("PATCH", path, `{"address":"b"}`, 422, "invalid")
	b.must("PATCH", path, `{"credentials":{"password":""}}`, 200)
	between := &meddled{Store: b.st}
	between.afterSecret = func() { between.beforeEdit = set }
	b.api.Store = between
	b.refused("PATCH", path, `{"address":"b"}`, 422, "invalid")
}

// sealed is the store of a server that cannot open what is stored, and perhaps
// cannot store more.
type sealed struct {
	store.Store
	noKey bool
	reads int
}

func (s *sealed) Secret(ctx context.Context, site farm.SiteID, id farm.ProviderID) (string, error) {
	s.reads++
	secret, err := s.Store.Secret(ctx, site, id)
	if err == nil && secret != "" {
		return "", fmt.Errorf("read secret: %w", store.ErrSecretKey)
	}
	return secret, err
}

func (s *sealed) Edit(ctx context.Context, site farm.SiteID, decide func(*farm.Picture) (store.Change, error)) (*farm.Picture, error) {
	return s.Store.Edit(ctx, site, func(p *farm.Picture) (store.Change, error) {
		c, err := decide(p)
		if err == nil && s.noKey && c.Secret != nil && *c.Secret != "" {
			err = fmt.Errorf("store secret: %w", store.ErrSecretKey)
		}
		return c, err
	})
}

// Whatever does not need the stored password is possible without being able to
// open it, and so is replacing it.
func TestAProviderWhosePasswordCannotBeOpenedCanBeChanged(t *testing.T) {
	for _, noKey := range []bool{false, true} {
		b := newBed(t)
		b.online("cb-1")
		const path = "/sites/hq/providers/vc-1"
		b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake","address":"a","credentials":{"username":"u","password":"p"}}`, 201)
		st := &sealed{Store: b.st, noKey: noKey}
		b.api.Store = st
		for _, patch := range []string{
			`{"description":"x"}`, `{"enabled":false}`, `{"enabled":true}`, `{"preferredConnectionBroker":{"mode":"manual","broker":"cb-1"}}`,
		} {
			b.must("PATCH", path, patch, 200)
		}
		b.must("PUT", path, `{"type":"fake","address":"a"}`, 200, "If-Match: *")
		if st.reads != 0 {
			t.Errorf("the secret was read %d times for nothing", st.reads)
		}
		p := b.refused("PATCH", path, `{"address":"b"}`, 422, "invalid")
		if len(p.Errors) != 1 || p.Errors[0].Pointer != "/credentials/password" {
			t.Errorf("%+v", p)
		}
		if p := b.refused("POST", path+"/test", "", 409, "secret-key-required"); !strings.Contains(p.Detail, "send the password again") {
			t.Errorf("%s", p.Detail)
		}
		if noKey {
			if p := b.refused("PATCH", path, `{"credentials":{"password":"q"}}`, 409, "secret-key-required"); !strings.Contains(p.Detail, "can store no password") {
				t.Errorf("%s", p.Detail)
			}
		} else {
			b.must("PATCH", path, `{"address":"b","credentials":{"password":"q"}}`, 200)
		}
		b.must("PATCH", path, `{"address":"c","credentials":{"password":null}}`, 200)
		b.must("PATCH", path, `{"address":"d"}`, 200)
	}
}

// What a test sends is the password that belongs to the address it is sent to.
func TestATestPairsAddressAndPassword(t *testing.T) {
	for _, before := range []bool{true, false} {
		b := newBed(t)
		b.online("cb-1")
		const path = "/sites/hq/providers/vc-1"
		b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake","address":"old","credentials":{"password":"wrong"}}`, 201)
		heard := &hearing{}
		b.api.Kinds = heard
		change := func() {
			b.must("PATCH", path, `{"address":"new","credentials":{"password":"secret"}}`, 200)
		}
		if before {
			b.api.Store = &meddled{Store: b.st, beforeSecret: change}
		} else {
			b.api.Store = &meddled{Store: b.st, afterSecret: change}
		}
		b.must("POST", path+"/test", "", 200).has("/ok", true)
		if heard.address != "new" || heard.secret != "secret" {
			t.Errorf("%q was sent to %q", heard.secret, heard.address)
		}
	}
}

// slowKinds takes its time to connect.
type slowKinds struct{ fakeKinds }

func (slowKinds) Test(ctx context.Context, _ farm.Provider, _ string) handlers.TestResult {
	select {
	case <-ctx.Done():
		return handlers.TestResult{Message: "It was cut off."}
	case <-time.After(300 * time.Millisecond):
		return handlers.TestResult{OK: true}
	}
}

// hearing remembers what was sent where.
type hearing struct {
	fakeKinds
	address, secret string
}

func (h *hearing) Test(ctx context.Context, p farm.Provider, secret string) handlers.TestResult {
	h.address, h.secret = p.Address, secret
	return h.fakeKinds.Test(ctx, p, secret)
}

func TestProviderIsCreatedWithoutTheSecretOfAnEarlierOne(t *testing.T) {
	b := newBed(t)
	b.online("cb-1")
	b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake","credentials":{"username":"u","password":"p"}}`, 201)
	b.must("DELETE", "/sites/hq/providers/vc-1", "", 204)
	b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake"}`, 201)
	if s := secretOf(t, b, "vc-1"); s != "" {
		t.Errorf("the secret is %q", s)
	}
}

func TestOptionsKeepTheirDigits(t *testing.T) {
	b := newBed(t)
	b.online("cb-1")
	const options = `{"a":12345678901234567890,"b":[1.50,{"c":null}]}`
	a := b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake","options":`+options+`}`, 201)
	if !strings.Contains(a.text, `"options":`+options) {
		t.Errorf("options are %s", a.text)
	}
	before := b.revision()
	b.must("PATCH", "/sites/hq/providers/vc-1", `{"name":""}`, 200)
	if b.revision() != before {
		t.Error("a patch that changes nothing stored something")
	}
	b.must("PATCH", "/sites/hq/providers/vc-1", `{"options":{"a":null,"b":null}}`, 200).has("/options", "map[]")
}

func TestProviderMovesAndUnpins(t *testing.T) {
	b := newBed(t)
	term := b.armed()
	b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake"}`, 201)
	b.own(term, "vc-1", "cb-1")
	a := b.must("POST", "/sites/hq/providers/vc-1/move?dryRun=true", `{"broker":"cb-3"}`, 200)
	if !strings.Contains(fmt.Sprint(a.at("/effects")), "cb-3") {
		t.Errorf("effects %v", a.at("/effects"))
	}
	b.must("POST", "/sites/hq/providers/vc-1/move", `{"broker":"cb-3"}`, 200).has("/status/home", "cb-3")
	if to := b.picture().Providers["vc-1"].Value.MovedTo; to != "cb-3" {
		t.Errorf("moved to %q", to)
	}
	p := b.refused("POST", "/sites/hq/providers/vc-1/move", `{"broker":"cb-9"}`, 422, "unknown-broker")
	if len(p.Errors) != 1 || p.Errors[0].Pointer != "/broker" {
		t.Errorf("errors %+v", p.Errors)
	}
	b.refused("POST", "/sites/hq/providers/vc-1/move", `{}`, 422, "invalid")
	b.must("POST", "/sites/hq/brokers/cb-2/drain", "", 200)
	b.refused("POST", "/sites/hq/providers/vc-1/move", `{"broker":"cb-2"}`, 409, "broker-not-available")
	b.must("POST", "/sites/hq/providers/vc-1/unpin", "", 200)
	if to := b.picture().Providers["vc-1"].Value.MovedTo; to != "" {
		t.Errorf("still moved to %q", to)
	}
	b.refused("POST", "/sites/hq/providers/vc-9/unpin", "", 404, "not-found")
}

func TestAProviderThatNobodyMayOwnIsNotMoved(t *testing.T) {
	b := newBed(t)
	term := b.armed()
	b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake","enabled":false}`, 201)
	b.refused("POST", "/sites/hq/providers/vc-1/move", `{"broker":"cb-3"}`, 409, "provider-not-movable")
	b.must("PATCH", "/sites/hq/providers/vc-1", `{"enabled":true}`, 200)
	b.must("POST", "/sites/hq/providers/vc-1/move", `{"broker":"cb-3"}`, 200)
	lost := b.picture().Seats.Value
	lost.State, lost.Serving, lost.Epoch = farm.StateLost, nil, lost.Epoch+1
	if err := term.Apply(context.Background(), b.picture().Seats, &lost, nil, nil); err != nil {
		t.Fatal(err)
	}
	b.refused("POST", "/sites/hq/providers/vc-1/move", `{"broker":"cb-2"}`, 409, "provider-not-movable")
	b.refused("POST", "/sites/hq/providers/vc-1/move?dryRun=true", `{"broker":"cb-2"}`, 409, "provider-not-movable")
}

func TestProviderConnectionIsTested(t *testing.T) {
	b := newBed(t)
	b.online("cb-1")
	b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake","credentials":{"password":"secret"}}`, 201)
	before := b.revision()
	b.must("POST", "/sites/hq/providers/vc-1/test", "", 200).has("/ok", true, "/hosts", 3, "/broker", "cb-1", "/took", "1ms")
	if b.revision() != before {
		t.Error("a test stored something")
	}
	b.must("PATCH", "/sites/hq/providers/vc-1", `{"credentials":{"password":"wrong"}}`, 200)
	b.must("POST", "/sites/hq/providers/vc-1/test", "", 200).has("/ok", false, "/reason", "invalid-credentials", "/message", "The password is wrong.")
	if !strings.Contains(b.log.String(), "401 from the fake") {
		t.Error("the log lacks the error itself")
	}
	b.refused("POST", "/sites/hq/providers/vc-9/test", "", 404, "not-found")
	b.must("GET", "/provider-types", "", 200).has("/items/0/id", "fake")
}

func TestHostsAreListedAndFiltered(t *testing.T) {
	b := newBed(t)
	b.withHosts("vc-1", 5)
	a := b.must("GET", "/sites/hq/hosts", "", 200).has("/items/0/id", "vm/0", "/items/0/provider", "vc-1", "/items/0/available", true, "/items/1/available", false)
	if n := len(a.at("/items").([]any)); n != 5 {
		t.Errorf("%d Hosts", n)
	}
	for query, want := range map[string]int{"?available=true": 3, "?available=false": 2, "?provider=vc-1": 5} {
		if n := len(b.must("GET", "/sites/hq/hosts"+query, "", 200).at("/items").([]any)); n != want {
			t.Errorf("%s: %d Hosts, want %d", query, n, want)
		}
	}
	b.must("GET", "/sites/hq/providers/vc-1/hosts?limit=2", "", 200).has("/items/1/id", "vm/1")
	b.must("GET", "/sites/hq/providers/vc-1/hosts/vm%2F1", "", 200).has("/id", "vm/1", "/state", "off", "/epoch", 1)
	b.refused("GET", "/sites/hq/providers/vc-1/hosts/vm%2F9", "", 404, "not-found")
	b.refused("GET", "/sites/hq/providers/vc-9/hosts", "", 404, "not-found")
	b.refused("GET", "/sites/hq/hosts?available=maybe", "", 400, "malformed")
	if p := b.refused("GET", "/sites/hq/hosts?provider=other", "", 400, "malformed"); !strings.Contains(p.Detail, `"other"`) {
		t.Errorf("the detail does not name it: %s", p.Detail)
	}
}
