package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// tokenFile is a file that holds a token.
func tokenFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// answering is a server that gives every watch the same answer.
func answering(t *testing.T, status int, answer string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
		_ = http.NewResponseController(w).Flush()
		if status == http.StatusOK {
			<-r.Context().Done()
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

const aSite = `event: snapshot
id: 5
data: {"site":{"id":"hq","status":{"highAvailability":{"state":"on"},"brokers":{"total":2,"online":2},"providers":{"total":2,"connected":1}}},
data: "brokers":[{"id":"cb-1"},{"id":"cb-2"}],
data: "providers":[{"id":"vc-1","status":{"state":"connected","owner":"cb-1","home":"cb-2"}},
data: {"id":"vc-2","status":{"state":"failed","owner":"cb-2","reason":"timeout"}},{"id":"vc-3","status":{"state":"disabled"}}],
data: "events":[],"revision":5}

`

func TestWhoFollowsOrAwaitsIsToldAtOnceWhatCannotGetBetter(t *testing.T) {
	token := tokenFile(t, "a-token\n")
	unknown := answering(t, 404, `{"status":404,"code":"not-found","detail":"There is no Site hq."}`)
	refused := answering(t, 401, `{"status":401,"code":"unauthorized","detail":"The token is not one of this Farm."}`)
	site := answering(t, 200, aSite)
	for _, c := range []struct{ args, says string }{
		{"follow --site hq --token-file " + token + " " + unknown, "There is no Site hq."},
		{"follow --site hq --token-file " + token + " " + refused, "not one of this Farm"},
		{"await --site hq --token-file " + token + " " + unknown, "There is no Site hq."},
		{"await --site hq --token-file " + token + " " + refused, "not one of this Farm"},
		{"await --site hq --token-file " + token + " --without cb-9 " + site, "Site hq has no broker cb-9; it has cb-1, cb-2"},
		{"await --site hq --token-file " + tokenFile(t, "") + " " + site, "must hold one token"},
		{"follow --site hq --token-file /none " + site, "--token-file: open /none"},
	} {
		out, err := say(t, strings.Fields(c.args)...)
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "{") {
			t.Errorf("%s: %v\n%s", c.args, err, out)
		}
	}
}

func TestWhatIsAwaitedInVainIsNamed(t *testing.T) {
	token, site := tokenFile(t, "a-token"), answering(t, 200, aSite)
	out, err := say(t, "await", "--site=hq", "--token-file="+token, "--timeout=200ms", "--home", "--without=cb-1", site)
	for _, want := range []string{
		"2 of 3 Providers are not as asked after 200ms",
		"vc-1 is connected at cb-1; asked for: connected, with another broker than cb-1",
		"vc-2 is failed at cb-2; asked for: connected",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if !strings.Contains(out, "vc-2  failed") {
		t.Errorf("it showed:\n%s", out)
	}
	_, err = say(t, "await", "--site=hq", "--token-file="+token, "--timeout=200ms", "--home", site)
	if err == nil || !strings.Contains(err.Error(), "vc-1 is connected at cb-1; asked for: connected at its home cb-2") {
		t.Errorf("%v", err)
	}
}

func TestAServerThatDoesNotAnswerIsSaidSoOnce(t *testing.T) {
	token := tokenFile(t, "a-token")
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, args := range [][]string{{"await", "--timeout=300ms"}, {"follow", "--for=300ms"}} {
		out, err := say(t, append(args, "--site=hq", "--token-file="+token, gone.URL)...)
		if err == nil || strings.Count(out, "Cannot reach "+gone.URL+", trying again: ") != 1 || !strings.Contains(out, "connection refused") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

func TestWhoFollowsIsToldThatItHasBegun(t *testing.T) {
	out, err := say(t, "follow", "--for=300ms", "--site=hq", "--token-file="+tokenFile(t, "a-token"), answering(t, 200, aSite))
	if err != nil || out != "Following Site hq: high availability is on, 2 of 2 brokers are online, 1 of 2 Providers connected.\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

// A server that goes away and comes back is told of once, each time.
func TestWhoFollowsIsToldThatNobodyAnswersAnyMore(t *testing.T) {
	var mu sync.Mutex
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n++
		first := n == 1
		mu.Unlock()
		if first {
			fmt.Fprint(w, aSite)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"code":"unavailable","detail":"Storage does not answer."}`)
	}))
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var out bytes.Buffer
	if err := run(ctx, []string{"follow", "--site=hq", "--token-file=" + tokenFile(t, "a-token"), s.URL}, &out, &out); err != nil {
		t.Error(err)
	}
	if got := out.String(); strings.Count(got, "trying again") != 1 || !strings.Contains(got, "Storage does not answer.") {
		t.Errorf("it said:\n%s", got)
	}
}
