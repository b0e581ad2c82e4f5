package handlers_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestSiteIsCreatedWithDefaults(t *testing.T) {
	b := newBed(t)
	a := b.must("POST", "/sites", `{"id":"lab","name":"Lab"}`, 201).has(
		"/id", "lab", "/name", "Lab", "/failback/mode", "automatic", "/failback/holdDown", "10s", "/tieBreaker", "none",
		"/maxParallelMoves", 8, "/status/highAvailability/state", "off")
	if got := a.header.Get("Location"); got != "/api/v1/sites/lab" {
		t.Errorf("Location %q", got)
	}
	if got, want := a.header.Get("ETag"), fmt.Sprintf(`"%v"`, a.at("/revision")); got != want {
		t.Errorf("ETag %q, want %q", got, want)
	}
	b.must("GET", "/sites/lab", "", 200).has("/name", "Lab")
	b.refused("POST", "/sites", `{"id":"lab"}`, 409, "already-exists")
}

func TestSiteBodiesThatAreRefused(t *testing.T) {
	b := newBed(t)
	for _, c := range []struct{ name, body, pointer string }{
		{"no id", `{}`, "/id"},
		{"bad id", `{"id":"HQ"}`, "/id"},
		{"null id", `{"id":null}`, "/id"},
		{"hyphen at the end", `{"id":"hq-"}`, "/id"},
		{"unknown field", `{"id":"x","nam":"y"}`, "/nam"},
		{"wrong case", `{"id":"x","Name":"y"}`, "/Name"},
		{"unknown nested field", `{"id":"x","failback":{"hold":"1s"}}`, "/failback/hold"},
		{"wrong type", `{"id":"x","name":1}`, "/name"},
		{"wrong nested type", `{"id":"x","failback":[]}`, "/failback"},
		{"not a duration", `{"id":"x","failback":{"holdDown":"10"}}`, "/failback/holdDown"},
		{"duration as a number", `{"id":"x","failback":{"holdDown":10}}`, "/failback/holdDown"},
		{"negative duration", `{"id":"x","failback":{"holdDown":"-1s"}}`, "/failback/holdDown"},
		{"long duration", `{"id":"x","failback":{"holdDown":"25h"}}`, "/failback/holdDown"},
		{"unknown enum", `{"id":"x","tieBreaker":"coin"}`, "/tieBreaker"},
		{"too few", `{"id":"x","maxParallelMoves":0}`, "/maxParallelMoves"},
		{"too many", `{"id":"x","maxParallelMoves":1001}`, "/maxParallelMoves"},
		{"fraction", `{"id":"x","maxParallelMoves":1.5}`, "/maxParallelMoves"},
		{"huge", `{"id":"x","maxParallelMoves":1e400}`, "/maxParallelMoves"},
		{"long name", `{"id":"x","name":"` + strings.Repeat("ä", 201) + `"}`, "/name"},
		{"control character", `{"id":"x","name":"a\u0007"}`, "/name"},
		{"control character in text", `{"id":"x","description":"a\u0000"}`, "/description"},
		{"revision", `{"id":"x","revision":3}`, "/revision"},
		{"status", `{"id":"x","status":{}}`, "/status"},
		{"escaped", `{"id":"x","a/b~c":1}`, "/a~1b~0c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := b.refused("POST", "/sites", c.body, 422, "invalid")
			if len(p.Errors) != 1 || p.Errors[0].Pointer != c.pointer || p.Errors[0].Detail == "" {
				t.Errorf("errors %+v, want one at %s", p.Errors, c.pointer)
			}
		})
	}
	p := b.refused("POST", "/sites", `{"id":"x","b":1,"a":2,"failback":{"mode":"x"}}`, 422, "invalid")
	if len(p.Errors) != 2 {
		t.Errorf("all faults of one kind at once: %+v", p.Errors)
	}
}

func TestBodiesThatAreMalformed(t *testing.T) {
	b := newBed(t)
	for _, body := range []string{
		`{`, `[]`, `null`, `"x"`, `1`, `{"id":"x"} {}`, `{"id":"x"}x`, `{"id":"x","id":"y"}`, `{"a":{"b":1,"b":2}}`,
		"{\"id\":\"\xff\"}", `{'id':'x'}`, `{"id":"x",}`, " ", strings.Repeat("[", 100000), `{"a":` + strings.Repeat("[", 80) + strings.Repeat("]", 80) + `}`,
	} {
		b.refused("POST", "/sites", body, 400, "malformed")
	}
	b.refused("POST", "/sites", "", 400, "malformed")
	b.refused("POST", "/sites", `{"id":"x","name":"`+strings.Repeat("x", 1<<20)+`"}`, 413, "too-large")
	b.refused("POST", "/sites", `{"id":"x"}`, 415, "unsupported-media-type", "Content-Type: text/plain")
	b.refused("POST", "/sites", `{"id":"x"}`, 415, "unsupported-media-type", "Content-Type: application/merge-patch+json")
	b.refused("POST", "/sites", `{"id":"x"}`, 415, "unsupported-media-type", "Content-Type: application/json; charset=latin1")
	b.must("POST", "/sites", `{"id":"x"}`, 201, "Content-Type: application/json; charset=UTF-8")
}

func TestPutReplacesAndPatchMerges(t *testing.T) {
	b := newBed(t)
	tag := b.must("PATCH", "/sites/hq", `{"name":"A","description":"B","failback":{"holdDown":"1m"}}`, 200).header.Get("ETag")
	b.must("PATCH", "/sites/hq", `{"name":"C","failback":{"mode":"manual"}}`, 200, "Content-Type: application/merge-patch+json").has(
		"/name", "C", "/description", "B", "/failback/holdDown", "1m0s", "/failback/mode", "manual")
	p := b.refused("PUT", "/sites/hq", `{"name":"D"}`, 412, "stale", "If-Match: "+tag)
	if p.Revision != b.picture().Site.Revision {
		t.Errorf("a stale If-Match is answered with the current revision, not %d", p.Revision)
	}
	tag = b.must("GET", "/sites/hq", "", 200).header.Get("ETag")
	b.must("PUT", "/sites/hq", `{"name":"D"}`, 200, "If-Match: "+tag).has(
		"/name", "D", "/description", "", "/failback/holdDown", "10s", "/failback/mode", "automatic")
	b.must("PATCH", "/sites/hq", `{"name":null}`, 200).has("/name", "")
	b.refused("PUT", "/sites/hq", `{}`, 428, "precondition-required")
	b.refused("PUT", "/sites/nope", `{}`, 404, "not-found", "If-Match: *")
	b.refused("PATCH", "/sites/hq", `{"failback":{"holdDown":"x"}}`, 422, "invalid")
	b.refused("PATCH", "/sites/hq", `{"id":"other"}`, 422, "invalid")
	b.refused("PATCH", "/sites/hq", `{"revision":1}`, 422, "invalid")
}

func TestWhatWasReadMayBeSentBack(t *testing.T) {
	b := newBed(t)
	b.armed()
	b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake"}`, 201)
	for _, path := range []string{"/sites/hq", "/sites/hq/brokers/cb-2", "/sites/hq/providers/vc-1"} {
		a := b.must("GET", path, "", 200)
		before := b.revision()
		back := b.must("PUT", path, a.text, 200, "If-Match: "+a.header.Get("ETag"))
		if back.header.Get("ETag") != a.header.Get("ETag") || b.revision() != before {
			t.Errorf("%s: sending back what was read changed it", path)
		}
	}
	tampered := func(path, from, to string) {
		t.Helper()
		a := b.must("GET", path, "", 200)
		if !strings.Contains(a.text, from) {
			t.Fatalf("no %s in %s", from, a.text)
		}
		p := b.refused("PUT", path, strings.Replace(a.text, from, to, 1), 422, "invalid", "If-Match: *")
		if len(p.Errors) != 1 || !strings.HasPrefix(p.Errors[0].Pointer, "/status/") {
			t.Errorf("errors %+v", p.Errors)
		}
		b.refused("PATCH", path, strings.Replace(a.text, from, to, 1), 422, "invalid")
	}
	tampered("/sites/hq", `"state":"on"`, `"state":"off"`)
	tampered("/sites/hq", `"coordinator":"cb-1"`, `"coordinator":"cb-2"`)
	tampered("/sites/hq/brokers/cb-2", `"draining":false`, `"draining":true`)
	tampered("/sites/hq/brokers/cb-2", `"state":"online"`, `"state":"offline"`)
	tampered("/sites/hq/brokers/cb-2", `"status":{`, `"status":{"more":1,`)
	tampered("/sites/hq/providers/vc-1", `"owner":""`, `"owner":"cb-3"`)
}

func TestStatusMayMoveBetweenReadAndWrite(t *testing.T) {
	b := newBed(t)
	term := b.armed()
	read := b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake"}`, 201).text
	b.own(term, "vc-1", "cb-1")
	between := b.must("GET", "/sites/hq/providers/vc-1", "", 200).has("/status/owner", "cb-1").text
	b.must("PUT", "/sites/hq/providers/vc-1", read, 200, "If-Match: *")
	b.must("PUT", "/sites/hq/providers/vc-1", between, 200, "If-Match: *")
	for i := range 9 { // also after many other events
		b.must("PATCH", "/sites/hq", fmt.Sprintf(`{"name":"n%d"}`, i), 200)
	}
	b.must("PUT", "/sites/hq/providers/vc-1", read, 200, "If-Match: *")
	b.refused("PUT", "/sites/hq/providers/vc-1", strings.Replace(read, `"owner":""`, `"owner":"cb-2"`, 1), 422, "invalid", "If-Match: *")
}

func TestDryRunStoresNothing(t *testing.T) {
	b := newBed(t)
	b.armed()
	b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake"}`, 201)
	b.must("POST", "/sites", `{"id":"empty"}`, 201)
	b.must("POST", "/sites/hq/brokers", `{"id":"cb-9"}`, 201)
	before := b.revision()
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/sites", `{"id":"lab"}`},
		{"PUT", "/sites/hq", `{"name":"x"}`},
		{"PATCH", "/sites/hq", `{"name":"x"}`},
		{"DELETE", "/sites/empty", ``},
		{"POST", "/sites/hq/brokers", `{"id":"cb-8"}`},
		{"PATCH", "/sites/hq/brokers/cb-2", `{"name":"x"}`},
		{"POST", "/sites/hq/brokers/cb-2/drain", ``},
		{"POST", "/sites/hq/brokers/cb-2/move-up", ``},
		{"DELETE", "/sites/hq/brokers/cb-9", ``},
		{"POST", "/sites/hq/providers", `{"id":"vc-2","type":"fake"}`},
		{"PATCH", "/sites/hq/providers/vc-1", `{"enabled":false}`},
		{"POST", "/sites/hq/providers/vc-1/move", `{"broker":"cb-2"}`},
		{"DELETE", "/sites/hq/providers/vc-1", ``},
	} {
		a := b.must(c.method, c.path+"?dryRun=true", c.body, 200, "If-Match: *")
		if strings.Contains(fmt.Sprint(a.at("/effects")), " was ") {
			t.Errorf("what is not stored is told of as done: %v", a.at("/effects"))
		}
		if effects, _ := a.at("/effects").([]any); len(effects) == 0 {
			t.Errorf("%s %s: no effects: %s", c.method, c.path, a.text)
		}
	}
	if after := b.revision(); after != before {
		t.Errorf("a dry run stored something: revision %d, was %d", after, before)
	}
	b.must("PATCH", "/sites/hq?dryRun=true", `{"name":"x"}`, 200).has("/name", "x")
	b.refused("PATCH", "/sites/hq?dryRun=yes", `{"name":"x"}`, 400, "malformed")
	b.refused("PATCH", "/sites/hq?dryrun=true", `{"name":"x"}`, 400, "malformed")
	b.refused("POST", "/sites?dryRun=true", `{"id":"hq"}`, 409, "already-exists")
}

func TestSiteIsDeletedWhenEmpty(t *testing.T) {
	b := newBed(t)
	s := b.online("cb-1")
	b.refused("DELETE", "/sites/hq", "", 409, "broker-online")
	b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake"}`, 201)
	if err := s["cb-1"].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.refused("DELETE", "/sites/hq", "", 409, "site-not-empty")
	b.must("DELETE", "/sites/hq/providers/vc-1", "", 204)
	b.refused("DELETE", "/sites/hq", "", 412, "stale", `If-Match: "1"`)
	b.must("DELETE", "/sites/hq", "", 204)
	b.refused("DELETE", "/sites/hq", "", 404, "not-found")
	b.refused("GET", "/sites/hq", "", 404, "not-found")
}

func TestConditions(t *testing.T) {
	b := newBed(t)
	tag := b.must("GET", "/sites/hq", "", 200).header.Get("ETag")
	for header, status := range map[string]int{
		tag: 304, "*": 304, `"0", ` + tag: 304, "W/" + tag: 304, `"0"`: 200, `"a b"`: 400, "42": 400, `"1" "2"`: 400, "": 400, `W/"1`: 400,
	} {
		if a := b.must("GET", "/sites/hq", "", status, "If-None-Match: "+header); status == 304 && (a.text != "" || a.header.Get("ETag") != tag) {
			t.Errorf("304 with %q and ETag %q", a.text, a.header.Get("ETag"))
		}
	}
	for header, status := range map[string]int{
		tag: 200, "*": 200, `"0" , ` + tag: 200, "W/" + tag: 412, `"0"`: 412, "42": 400, "": 400, "*, *": 400,
	} {
		b.must("PATCH", "/sites/hq", `{}`, status, "If-Match: "+header)
	}
}

func TestProviderCountsAddUp(t *testing.T) {
	b := newBed(t)
	term := b.armed()
	b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake"}`, 201)
	b.must("POST", "/sites/hq/providers", `{"id":"vc-2","type":"fake","enabled":false}`, 201)
	b.must("POST", "/sites/hq/providers", `{"id":"vc-3","type":"fake"}`, 201)
	b.own(term, "vc-1", "cb-1")
	b.must("GET", "/sites/hq", "", 200).has("/status/providers", map[string]any{
		"total": 3, "connected": 0, "connecting": 1, "failed": 0, "unavailable": 1, "abandoned": 0, "disabled": 1,
	})
}
