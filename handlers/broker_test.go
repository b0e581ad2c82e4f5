package handlers_test

import (
	"strings"
	"testing"
)

func TestBrokerIsCreatedWithTheModeTheSiteNeeds(t *testing.T) {
	b := newBed(t)
	for _, id := range []string{"cb-1", "cb-2", "cb-3"} {
		b.must("POST", "/sites/hq/brokers", `{"id":"`+id+`"}`, 201).has("/mode", "active", "/enabled", true, "/site", "hq")
	}
	a := b.must("POST", "/sites/hq/brokers", `{"id":"cb-4","address":"https://10.0.0.4:8080"}`, 201).has(
		"/mode", "standby", "/priority", 3, "/status/state", "offline", "/address", "https://10.0.0.4:8080")
	if a.header.Get("Location") != "/api/v1/sites/hq/brokers/cb-4" {
		t.Errorf("Location %q", a.header.Get("Location"))
	}
	b.must("POST", "/sites/hq/brokers", `{"id":"cb-5","mode":"active","priority":0,"enabled":false}`, 201).has(
		"/mode", "active", "/priority", 0, "/enabled", false, "/status/state", "disabled")
	b.refused("POST", "/sites/hq/brokers", `{"id":"cb-5"}`, 409, "already-exists")
	b.refused("POST", "/sites/nope/brokers", `{"id":"cb-5"}`, 404, "not-found")
}

func TestBrokerBodiesThatAreRefused(t *testing.T) {
	b := newBed(t)
	for body, pointer := range map[string]string{
		`{"id":"x","address":"10.0.0.1"}`:               "/address",
		`{"id":"x","address":"ftp://a"}`:                "/address",
		`{"id":"x","address":"https://"}`:               "/address",
		`{"id":"x","address":"https://u:p@h"}`:          "/address",
		`{"id":"x","address":"https://h?q"}`:            "/address",
		`{"id":"x","address":"https://h/\u0000"}`:       "/address",
		`{"id":"x","mode":"primary"}`:                   "/mode",
		`{"id":"x","priority":-1}`:                      "/priority",
		`{"id":"x","enabled":"yes"}`:                    "/enabled",
		`{"id":"x","site":"other"}`:                     "/site",
		`{"id":"x","createdAt":"yesterday"}`:            "/createdAt",
		`{"id":"x","updatedAt":"2026-01-01T00:00:00Z"}`: "/updatedAt",
	} {
		p := b.refused("POST", "/sites/hq/brokers", body, 422, "invalid")
		if len(p.Errors) != 1 || p.Errors[0].Pointer != pointer {
			t.Errorf("%s: errors %+v", body, p.Errors)
		}
	}
}

func TestPutKeepsWhatTheSiteChose(t *testing.T) {
	b := newBed(t)
	b.must("POST", "/sites/hq/brokers", `{"id":"cb-1","name":"A","mode":"standby","priority":7,"enabled":false}`, 201)
	b.must("PUT", "/sites/hq/brokers/cb-1", `{}`, 200, "If-Match: *").has("/name", "", "/mode", "standby", "/priority", 7, "/enabled", true)
}

func TestLosingHighAvailabilityMustBeAccepted(t *testing.T) {
	b := newBed(t)
	b.armed()
	for _, body := range []string{`{"enabled":false}`, `{"mode":"standby"}`} {
		p := b.refused("PATCH", "/sites/hq/brokers/cb-2", body, 409, "would-turn-off-high-availability")
		if len(p.Effects) == 0 {
			t.Error("a refusal says what would happen")
		}
		b.refused("PUT", "/sites/hq/brokers/cb-2", body, 409, "would-turn-off-high-availability", "If-Match: *")
		b.refused("PATCH", "/sites/hq/brokers/cb-2?acceptHighAvailabilityLoss=false", body, 409, "would-turn-off-high-availability")
		a := b.must("PATCH", "/sites/hq/brokers/cb-2?acceptHighAvailabilityLoss=true&dryRun=true", body, 200)
		if !strings.Contains(a.text, "High availability") {
			t.Errorf("a dry run tells of high availability: %s", a.text)
		}
	}
	b.must("PATCH", "/sites/hq/brokers/cb-2?acceptHighAvailabilityLoss=true", `{"enabled":false}`, 200).has("/enabled", false, "/status/state", "disabled")
}

func TestBrokerIsDeletedWhenOffline(t *testing.T) {
	b := newBed(t)
	s := b.online("cb-1")
	b.refused("DELETE", "/sites/hq/brokers/cb-1", "", 409, "broker-online")
	b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake"}`, 201).has("/preferredConnectionBroker/broker", "cb-1")
	if err := s["cb-1"].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.refused("DELETE", "/sites/hq/brokers/cb-1", "", 409, "broker-in-use")
	b.must("DELETE", "/sites/hq/providers/vc-1", "", 204)
	a := b.must("DELETE", "/sites/hq/brokers/cb-1", "", 204, "If-Match: *")
	if a.text != "" {
		t.Errorf("204 with %q", a.text)
	}
	b.refused("GET", "/sites/hq/brokers/cb-1", "", 404, "not-found")
}

func TestBrokerActions(t *testing.T) {
	b := newBed(t)
	b.armed()
	b.must("POST", "/sites/hq/brokers/cb-2/drain", "", 200).has("/status/draining", true)
	before := b.revision()
	b.must("POST", "/sites/hq/brokers/cb-2/drain", "{}", 200).has("/status/draining", true)
	if b.revision() != before {
		t.Error("draining twice stored something")
	}
	b.must("PUT", "/sites/hq/brokers/cb-2", `{"name":"x"}`, 200, "If-Match: *").has("/status/draining", true)
	b.must("POST", "/sites/hq/brokers/cb-2/undrain", "", 200).has("/status/draining", false)
	b.must("POST", "/sites/hq/brokers/cb-3/move-up", "", 200).has("/priority", 1)
	b.must("GET", "/sites/hq/brokers", "", 200).has("/items/0/id", "cb-1", "/items/1/id", "cb-3", "/items/2/id", "cb-2")
	b.must("POST", "/sites/hq/brokers/cb-3/move-down", "", 200).has("/priority", 2)
	b.must("POST", "/sites/hq/brokers/cb-3/move-down", "", 200).has("/priority", 2)
	b.must("POST", "/sites/hq/brokers/cb-1/move-up", "", 200).has("/priority", 0)
	b.refused("POST", "/sites/hq/brokers/cb-1/drain", "", 412, "stale", `If-Match: "1"`)
	b.refused("POST", "/sites/hq/brokers/cb-9/drain", "", 404, "not-found")
	b.refused("POST", "/sites/hq/brokers/cb-1/drain", `{"now":true}`, 422, "invalid")
	b.refused("POST", "/sites/hq/brokers/cb-1/drain", `x`, 400, "malformed")
	b.must("GET", "/sites/hq/brokers/cb-1/stoppable", "", 200)
	b.refused("GET", "/sites/hq/brokers/cb-9/stoppable", "", 404, "not-found")
}
