package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dead is an address that nobody listens on.
func dead(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(nil)
	s.Close()
	return s.URL
}

func TestAServerThatIsAwayIsPassedOver(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" || r.URL.Path != "/api/v1/sites/hq" {
			t.Errorf("%s %s", r.URL, r.Header)
		}
		fmt.Fprint(w, `{"id":"hq"}`)
	}))
	defer s.Close()
	c := New("secret", dead(t), s.URL)
	defer c.Close()
	var site Site
	if err := c.Do(t.Context(), "GET", "/sites/hq", nil, &site); err != nil || site.ID != "hq" {
		t.Errorf("%+v, %v", site, err)
	}
}

func TestAnAnswerThatIsNoSuccessIsAProblem(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"status":409,"code":"already-exists","detail":"There is one."}`)
	}))
	defer s.Close()
	c := New("", s.URL)
	defer c.Close()
	err := c.Do(t.Context(), "POST", "/sites", map[string]string{"id": "hq"}, nil)
	var p *Problem
	if !errors.As(err, &p) || p.Code != "already-exists" || !IsStatus(err, 409) || IsStatus(err, 404) {
		t.Errorf("got %v", err)
	}
}

// A watch that breaks off is taken up where it broke; a fresh snapshot tells of
// the events that were missed, and no event comes twice.
func TestAWatchSurvivesItsServer(t *testing.T) {
	answers := []func(w http.ResponseWriter){
		func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) }, // the Farm has no token yet
		func(w http.ResponseWriter) {
			fmt.Fprint(w, "event: snapshot\nid: 5\ndata: {\"site\":{\"id\":\"hq\"},\"brokers\":[{\"id\":\"cb-1\"}],\"providers\":[],\"events\":[{\"id\":\"1\",\"revision\":4}],\"revision\":5}\n\n")
			fmt.Fprint(w, ": alive\n\nevent: provider\nid: 5\ndata: {\"id\":\"vc-1\",\ndata: \"status\":{\"owner\":\"cb-1\"}}\n\n")
			fmt.Fprint(w, "event: event\nid: 7\ndata: {\"id\":\"2\",\"revision\":7}\n\nevent: event\nid: 8\ndata: {\"id\"")
		},
		func(w http.ResponseWriter) {
			fmt.Fprint(w, "event: snapshot\nid: 9\ndata: {\"site\":{\"id\":\"hq\"},\"brokers\":[],\"providers\":[{\"id\":\"vc-1\"}],\"events\":[{\"id\":\"2\",\"revision\":7},{\"id\":\"3\",\"revision\":8}],\"revision\":9}\n\n")
			fmt.Fprint(w, "event: provider\nid: 10\ndata: {\"id\":\"vc-1\",\"deleted\":true}\n\n")
		},
	}
	var resumed []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resumed = append(resumed, r.Header.Get("Last-Event-ID"))
		answers[min(len(resumed), len(answers))-1](w)
	}))
	defer s.Close()
	c := New("", dead(t), s.URL)
	defer c.Close()

	var heard []string
	err := c.Watch(t.Context(), "hq", func(state State, events []Event) error {
		for _, e := range events {
			heard = append(heard, e.ID)
		}
		if len(resumed) == 3 && len(state.Providers) == 0 {
			return errSeen
		}
		return nil
	})
	if !errors.Is(err, errSeen) {
		t.Errorf("got %v", err)
	}
	if got := fmt.Sprint(heard); got != "[2 3]" {
		t.Errorf("heard of the events %s", got)
	}
	if got := fmt.Sprintf("%q", resumed); got != `["" "" "7"]` {
		t.Errorf("resumed after %s", got)
	}
}

func TestAwaitSaysWhatItWaitedForAndHowTheSiteWas(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := json.Marshal(snapshot{Site: Site{ID: "hq"}, Revision: 1})
		fmt.Fprintf(w, "event: snapshot\nid: 1\ndata: %s\n\n", data)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer s.Close()
	c := New("", s.URL)
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := c.Await(ctx, "hq", "pigs fly", func(State) bool { return false })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	t.Log(err)
}
