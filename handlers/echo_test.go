package handlers_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/quorate/quorate/handlers"
)

// What a client sends is not sent back in bulk.
func TestLongTextIsNotEchoed(t *testing.T) {
	b := newBed(t)
	long := strings.Repeat("x", 60_000)
	for _, a := range []answer{
		b.must("PATCH", "/sites/hq", `{}`, 412, `If-Match: "`+long+`"`),
		b.must("GET", "/sites/"+long, "", 404),
		b.must("GET", "/sites/hq/providers/"+long, "", 404),
		b.must("GET", "/nothing", "", 200),
		b.must("POST", "/"+long, "", 404),
		b.must("GET", "/sites?"+long+"=1", "", 400),
		b.must("GET", "/sites?limit="+long, "", 400),
		b.must("GET", "/sites/hq/events?since="+long, "", 400),
		b.must("GET", "/sites/hq/hosts?provider="+long, "", 400),
		b.must("POST", "/sites", `{}`, 415, "Content-Type: "+long),
		b.must("POST", "/sites", `{"id":"`+long+`"}`, 422),
		b.must("POST", "/sites", `{"`+long+`":1,"`+long+`":2}`, 400),
	} {
		if len(a.text) > 1500 {
			t.Errorf("%d bytes: %.300s", len(a.text), a.text)
		}
	}
	if n := b.log.Len(); n > 20_000 {
		t.Errorf("%d bytes were logged", n)
	}
}

func TestATokenInThePathIsNotLogged(t *testing.T) {
	b := newBed(t)
	b.must("GET", "/sites/qr_Very-Secret_1", "", 404)
	b.must("GET", "/sites?token=qr_Very-Secret_1", "", 400)
	b.must("GET", "/sites/hq", "", 200, "X-Request-Id: qr_Very-Secret_1")
	if strings.Contains(b.log.String(), "Very-Secret") {
		t.Errorf("logged:\n%s", b.log)
	}
}

func TestMethodsThatNobodyKnows(t *testing.T) {
	b := newBed(t)
	for path, allow := range map[string]string{"/": "GET, HEAD", "/sites": "GET, HEAD, POST", "/sites/hq/simulate": "POST"} {
		for _, method := range []string{"FOO", "DELETE"} {
			a := b.must(method, path, "", 405)
			if got := a.header.Get("Allow"); got != allow || !strings.Contains(a.text, allow) {
				t.Errorf("%s %s: Allow %q: %s", method, path, got, a.text)
			}
		}
	}
	b.must("POST", "/", "", 405)
	b.refused("FOO", "/nothing", "", 404, "not-found")
	b.refused("FOO", "/api/v1/nothing", "", 404, "not-found")
	if a := b.must("GET", "/", "", 200); a.text != "console" {
		t.Errorf("the console serves /: %s", a.text)
	}
	b.must("HEAD", "/", "", 200)
}

func TestHeadOfAWatchEnds(t *testing.T) {
	b := newBed(t)
	r, err := http.NewRequest("HEAD", served(t, b).URL+handlers.Base+"/sites/hq/watch", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	w := b.do("HEAD", "/sites/hq/watch", "")
	if w.status != 200 || w.header.Get("Content-Type") != "text/event-stream" || w.text != "" {
		t.Errorf("%d %v %q", w.status, w.header, w.text)
	}
	for range 3 { // also over one connection
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
}
