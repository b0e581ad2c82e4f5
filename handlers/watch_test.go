package handlers_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/handlers"
	"github.com/quorate/quorate/store"
)

// served serves a bed on a port until the test ends.
func served(t *testing.T, b *bed) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(b.api)
	t.Cleanup(func() {
		b.api.EndStreams()
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// watching is a client of an event stream.
type watching struct {
	t      *testing.T
	resp   *http.Response
	in     *bufio.Reader
	cancel context.CancelFunc
	id     string // of the last message
}

// sent is one message, or a comment.
type sent struct {
	kind, id, data string
	comment        bool
}

func watch(t *testing.T, s *httptest.Server, headers ...string) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/api/v1/sites/hq/watch", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	w := &watching{t: t, resp: resp, in: bufio.NewReader(resp.Body), cancel: cancel}
	t.Cleanup(w.stop)
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	return w
}

func (w *watching) stop() {
	w.cancel()
	_ = w.resp.Body.Close()
}

// next reads one message or comment; false: the stream has ended.
func (w *watching) next() (sent, bool) {
	w.t.Helper()
	var m sent
	for {
		line, err := w.in.ReadString('\n')
		if err != nil {
			return m, false
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "":
			if m.id != "" {
				w.id = m.id
			}
			return m, true
		case name == "":
			m.comment = true
		case name == "event":
			m.kind = value
		case name == "id":
			m.id = value
		case name == "data":
			m.data = value
		default:
			w.t.Fatalf("line %q", line)
		}
	}
}

// message reads the next message that is no comment, which must be of a kind.
func (w *watching) message(kind string) answer {
	w.t.Helper()
	for {
		m, ok := w.next()
		if !ok {
			w.t.Fatalf("the stream ended; want a %s", kind)
		}
		if m.comment {
			continue
		}
		if m.kind != kind {
			w.t.Fatalf("%s %s; want a %s", m.kind, m.data, kind)
		}
		return answer{t: w.t, text: m.data}
	}
}

func TestWatchTellsWhatChanges(t *testing.T) {
	b := newBed(t)
	term := b.armed()
	b.must("POST", "/sites/hq/providers", `{"id":"vc-1","type":"fake"}`, 201)
	w := watch(t, served(t, b))
	w.message("snapshot").has("/site/id", "hq", "/brokers/0/id", "cb-1", "/brokers/2/id", "cb-3", "/providers/0/id", "vc-1", "/revision", b.revision())
	if w.id != fmt.Sprint(b.revision()) {
		t.Errorf("id %s at revision %d", w.id, b.revision())
	}

	b.must("PATCH", "/sites/hq/brokers/cb-2", `{"name":"B"}`, 200)
	if got, want := w.message("broker").text+"\n", b.must("GET", "/sites/hq/brokers/cb-2", "", 200).text; got != want {
		t.Errorf("watch says\n%sGET says\n%s", got, want)
	}
	before := w.id
	w.message("event").has("/type", "config.changed", "/subject", "brokers/cb-2", "/revision", b.revision())
	if w.id != fmt.Sprint(b.revision()) || before == w.id {
		t.Errorf("ids %s, %s at revision %d: only the last message of a change completes it", before, w.id, b.revision())
	}

	b.own(term, "vc-1", "cb-3")
	w.message("site").has("/status/providers/unavailable", 0)
	w.message("broker").has("/id", "cb-3", "/status/providers", 1)
	if got, want := w.message("provider").text+"\n", b.must("GET", "/sites/hq/providers/vc-1", "", 200).text; got != want {
		t.Errorf("watch says\n%sGET says\n%s", got, want)
	}
	w.message("event").has("/type", "provider.owner-changed", "/to", "cb-3")

	b.must("DELETE", "/sites/hq/providers/vc-1", "", 204)
	w.message("site").has("/status/providers/total", 0)
	w.message("broker").has("/id", "cb-3", "/status/providers", 0)
	w.message("provider").has("/id", "vc-1", "/deleted", true)
	w.message("event").has("/message", "vc-1 was deleted")

	b.must("POST", "/sites", `{"id":"other"}`, 201) // is not of this Site
	b.must("PATCH", "/sites/hq", `{"name":"HQ"}`, 200)
	w.message("site").has("/name", "HQ")
	w.message("event").has("/subject", "site")
}

func TestWatchResumes(t *testing.T) {
	b := newBed(t)
	b.must("POST", "/sites/hq/brokers", `{"id":"cb-1"}`, 201)
	b.must("POST", "/sites/hq/brokers", `{"id":"cb-2"}`, 201)
	s := served(t, b)
	w := watch(t, s)
	w.message("snapshot")
	id := w.id
	w.stop()
	b.must("PATCH", "/sites/hq/brokers/cb-1", `{"name":"A"}`, 200)
	b.must("DELETE", "/sites/hq/brokers/cb-2", "", 204)

	w = watch(t, s, "Last-Event-ID: "+id)
	w.message("site").has("/status/brokers/total", 1)
	w.message("broker").has("/id", "cb-1", "/name", "A")
	w.message("broker").has("/id", "cb-2", "/deleted", true)
	w.message("event").has("/message", "cb-1 was changed (name)")
	torn := w.id
	w.message("event").has("/message", "cb-2 was deleted")
	if w.id != fmt.Sprint(b.revision()) {
		t.Errorf("id %s at revision %d", w.id, b.revision())
	}
	w.stop()

	w = watch(t, s, "Last-Event-ID: "+torn) // broke off after the first event
	w.message("site")
	w.message("broker").has("/id", "cb-2", "/deleted", true)
	w.message("event").has("/message", "cb-2 was deleted")
	w.stop()

	b.st.Forget()
	for _, last := range []string{id, "0", "-1", "x", "99999999999", ""} {
		w = watch(t, s, "Last-Event-ID: "+last)
		w.message("snapshot").has("/brokers/0/name", "A", "/events/3/message", "cb-1 was changed (name)")
		w.stop()
	}
}

func TestWatchOfACutOffServerStays(t *testing.T) {
	b := newBed(t, func(c *handlers.Config) { c.Heartbeat = 5 * time.Millisecond })
	w := watch(t, served(t, b))
	w.message("snapshot")
	b.st.Down(true)
	for range 3 {
		if m, ok := w.next(); !ok || !m.comment {
			t.Fatalf("%+v; want a comment", m)
		}
	}
	_, err := b.st.Another().Edit(t.Context(), "hq", func(p *farm.Picture) (store.Change, error) {
		next := p.Site.Value
		next.Name = "HQ"
		return store.Change{PutSite: &next}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.st.Down(false)
	w.message("site").has("/name", "HQ")
}

func TestWatchEnds(t *testing.T) {
	b := newBed(t)
	s := served(t, b)
	w := watch(t, s)
	w.message("snapshot")
	b.must("DELETE", "/sites/hq", "", 204)
	w.message("site").has("/id", "hq", "/deleted", true)
	if m, ok := w.next(); ok {
		t.Errorf("%+v after the Site was deleted", m)
	}
	b.refused("GET", "/sites/hq/watch", "", 404, "not-found")

	b.must("POST", "/sites", `{"id":"hq"}`, 201)
	w = watch(t, s)
	w.message("snapshot")
	b.api.EndStreams()
	if m, ok := w.next(); ok {
		t.Errorf("%+v after the server has stopped", m)
	}
	b.refused("GET", "/sites/hq/watch", "", 503, "unavailable")
}

func TestWatchesAreLimited(t *testing.T) {
	b := newBed(t, func(c *handlers.Config) { c.MaxWatches = 1 })
	s := served(t, b)
	w := watch(t, s)
	w.message("snapshot")
	a := b.must("GET", "/sites/hq/watch", "", 429)
	if a.header.Get("Retry-After") == "" {
		t.Error("429 has Retry-After")
	}
}

func TestManyWatchersHearTheSame(t *testing.T) {
	b := newBed(t)
	b.armed()
	s := served(t, b)
	var all []*watching
	for range 100 {
		w := watch(t, s)
		w.message("snapshot")
		all = append(all, w)
	}
	var done sync.WaitGroup
	for _, w := range all {
		done.Go(func() {
			for last := int64(0); last < int64(b.revision()); {
				m, ok := w.next()
				id, err := strconv.ParseInt(m.id, 10, 64)
				if !ok || err != nil || id < last {
					t.Errorf("%+v after id %d", m, last)
					return
				}
				last = id
				if strings.Contains(m.data, "n49") && m.kind == "event" {
					return
				}
				if strings.Contains(m.data, `"name":"n49"`) {
					return
				}
			}
		})
	}
	for i := range 50 {
		b.must("PATCH", "/sites/hq/brokers/cb-1", fmt.Sprintf(`{"name":"n%d"}`, i), 200)
	}
	done.Wait()
}

func TestWatchGivesUpOnAClientThatDoesNotRead(t *testing.T) {
	ended := make(chan struct{}, 1)
	b := newBed(t, func(c *handlers.Config) {
		c.WriteTimeout = 20 * time.Millisecond
		c.Observe = func(_, route string, _ int, _ time.Duration) {
			if strings.HasSuffix(route, "/watch") {
				ended <- struct{}{}
			}
		}
	})
	s := served(t, b)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := fmt.Fprintf(conn, "GET /api/v1/sites/hq/watch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", token); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 1900)
	for i := range 20_000 {
		select {
		case <-ended:
			return
		default:
			b.must("PATCH", "/sites/hq", fmt.Sprintf(`{"description":"%d %s"}`, i, long), 200)
		}
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the stream of a client that does not read goes on")
	}
}

// served2 serves a bed by TLS and HTTP/2 until the test ends.
func served2(t *testing.T, b *bed) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(b.api)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(func() {
		b.api.EndStreams()
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// Over HTTP/2 a deadline that is over ends a stream, whatever it was set for.
func TestAnIdleWatchOverHTTP2IsNotCut(t *testing.T) {
	b := newBed(t, func(c *handlers.Config) {
		c.WriteTimeout, c.BodyTimeout, c.Heartbeat = 50*time.Millisecond, 50*time.Millisecond, 300*time.Millisecond
	})
	w := watch(t, served2(t, b))
	if w.resp.ProtoMajor != 2 {
		t.Fatalf("the server speaks %s", w.resp.Proto)
	}
	w.message("snapshot")
	for range 2 {
		if m, ok := w.next(); !ok || !m.comment {
			t.Fatalf("%+v %v; want a comment after a silence longer than WriteTimeout", m, ok)
		}
	}
	b.must("PATCH", "/sites/hq", `{"name":"HQ"}`, 200)
	w.message("site").has("/name", "HQ")
}

// A body that a GET announces is of no use, so nobody waits for it.
func TestAWatchWithABodyThatNeverComesIsAnswered(t *testing.T) {
	b := newBed(t)
	conn, err := net.Dial("tcp", served(t, b).Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, _ = fmt.Fprintf(conn, "GET /api/v1/sites/hq/watch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n", token)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	w := &watching{t: t, resp: resp, in: bufio.NewReader(resp.Body)}
	w.message("snapshot").has("/site/id", "hq")
}
