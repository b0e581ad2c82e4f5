package handlers_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/handlers"
)

// slowly posts a body in pieces, with a pause before each, and returns the answer.
func slowly(t *testing.T, b *bed, length int, pause time.Duration, pieces ...string) (int, string) {
	t.Helper()
	conn, err := net.Dial("tcp", served(t, b).Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "POST /api/v1/sites HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", token, length)
	for _, piece := range pieces {
		time.Sleep(pause)
		_, _ = io.WriteString(conn, piece)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestASlowBodyIsNoFaultOfStorage(t *testing.T) {
	b := newBed(t, func(c *handlers.Config) { c.RequestTimeout = 100 * time.Millisecond })
	body := `{"id":"slow"}`
	status, text := slowly(t, b, len(body), 200*time.Millisecond, body[:4], body[4:])
	if status != 201 {
		t.Errorf("%d %s", status, text)
	}
}

func TestABodyThatDoesNotComeInTime(t *testing.T) {
	b := newBed(t, func(c *handlers.Config) { c.BodyTimeout = 50 * time.Millisecond })
	status, text := slowly(t, b, 100, 0, `{"id":`)
	if status != 408 || !strings.Contains(text, `"request-timeout"`) || !strings.Contains(text, "50ms") {
		t.Errorf("%d %s", status, text)
	}
}

// The time for a body ends with it, also if there is none: what takes longer
// than that is not cut off.
func TestARequestMayTakeLongerThanItsBody(t *testing.T) {
	b := newBed(t, func(c *handlers.Config) { c.BodyTimeout = 100 * time.Millisecond })
	b.online("cb-1")
	b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake"}`, 201)
	b.api.Kinds = slowKinds{}
	r, err := http.NewRequest("POST", served(t, b).URL+"/api/v1/sites/hq/providers/vc-1/test", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	text, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if !strings.Contains(string(text), `"ok":true`) {
		t.Errorf("%d %s", resp.StatusCode, text)
	}
}

// What is accepted can be stored: etcd takes 1.5 MiB in one write.
func TestAcceptedOptionsFitIntoStorage(t *testing.T) {
	b := newBed(t)
	b.online("cb-1")
	for i, c := range []struct {
		text   string
		status int
	}{{"<", 201}, {"\u2028", 422}, {"x", 201}} {
		body := fmt.Sprintf(`{"id":"p-%d","type":"fake","options":{"a":"%s"}}`, i, strings.Repeat(c.text, 1_000_000/len(c.text)))
		a := b.must("POST", "/sites/hq/providers", body, c.status)
		if len(a.text) > 1_100_000 {
			t.Errorf("%d bytes of %q are answered with %d", len(body), c.text, len(a.text))
		}
		if stored := len(b.picture().Providers["p-0"].Value.Options); stored > 1<<20 {
			t.Errorf("%d bytes of %q are stored as %d", len(body), c.text, stored)
		}
	}
	half := fmt.Sprintf(`"%s"`, strings.Repeat("x", 600_000))
	b.must("PATCH", "/sites/hq/providers/p-0", `{"options":{"a":`+half+`}}`, 200)
	p := b.refused("PATCH", "/sites/hq/providers/p-0", `{"options":{"b":`+half+`}}`, 422, "invalid")
	if len(p.Errors) != 1 || p.Errors[0].Pointer != "/options" {
		t.Errorf("errors %+v", p.Errors)
	}
}

func TestHalfACharacterIsMalformed(t *testing.T) {
	b := newBed(t)
	for _, text := range []string{`\ud800`, `\udc00`, `\uD800x`, `\ud800\ud800`, `\ud800\n`, `\ud800\u0041`, `\\\ud800`, `\ud83d\ude00\ude00`} {
		b.refused("POST", "/sites", `{"id":"x","name":"`+text+`"}`, 400, "malformed")
		b.refused("POST", "/sites", `{"id":"x","`+text+`":1}`, 400, "malformed")
	}
	b.must("POST", "/sites", `{"id":"x","name":"\\ud800 \ud83d\uDE00 \u00e9"}`, 201).has("/name", `\ud800 😀 é`)
}

// A body that does not come costs its own stream only: the connection has others.
func TestABodyThatDoesNotComeOverHTTP2(t *testing.T) {
	b := newBed(t, func(c *handlers.Config) { c.BodyTimeout = 50 * time.Millisecond })
	s := served2(t, b)
	never, end := io.Pipe()
	defer func() { _ = end.Close() }()
	r, err := http.NewRequest("POST", s.URL+"/api/v1/sites", never)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	w := watch(t, s)
	w.message("snapshot")
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 408 {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	b.must("PATCH", "/sites/hq", `{"name":"HQ"}`, 200)
	w.message("site").has("/name", "HQ")
	var same bool
	trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { same = c.Reused }})
	if r, err = http.NewRequestWithContext(trace, "GET", s.URL+"/healthz", nil); err != nil {
		t.Fatal(err)
	}
	if resp, err = s.Client().Do(r); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if !same {
		t.Error("the connection was given up")
	}
}
