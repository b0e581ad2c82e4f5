package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// api speaks to one server, from the clients' machine.
type api struct {
	http  *http.Client
	base  string
	token string
}

func newAPI(from *node, base, token string) *api {
	return &api{&http.Client{Transport: &http.Transport{DialContext: dialer(from.ns), MaxIdleConnsPerHost: 8, IdleConnTimeout: 10 * time.Second}}, base, token}
}

// answer is what a server said.
type answer struct {
	status int
	etag   string
	body   []byte
}

func (a answer) ok() bool { return a.status/100 == 2 }

// do sends a request, bounded by ctx; an error says nothing about whether it was done.
func (a *api) do(ctx context.Context, method, path, match string, body any) (answer, error) {
	content, err := json.Marshal(body)
	if err != nil {
		return answer{}, err
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(content)
	}
	r, err := http.NewRequestWithContext(ctx, method, a.base+path, reader)
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
		if method == http.MethodPatch {
			r.Header.Set("Content-Type", "application/merge-patch+json")
		}
	}
	if match != "" {
		r.Header.Set("If-Match", match)
	}
	res, err := a.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header.Get("ETag"), got}, err
}

// insist does it until it is done.
func insist(ctx context.Context, of []*api, method, path string, body any) error {
	for i := 0; ; i++ {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		got, err := of[i%len(of)].do(try, method, path, "", body)
		cancel()
		switch {
		case err == nil && (got.ok() || got.status == http.StatusConflict && i > 0 && method == http.MethodPost):
			return nil
		case err == nil && got.status/100 == 4 && got.status != http.StatusConflict && got.status != http.StatusNotFound:
			return fmt.Errorf("%s %s: %d: %s", method, path, got.status, got.body)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s %s: %d %s: %w, %w", method, path, got.status, got.body, ctx.Err(), err)
		}
	}
}

// goroutines is how many a server has.
func (a *api) goroutines(ctx context.Context) (int, error) {
	got, err := a.do(ctx, http.MethodGet, "/metrics", "", nil)
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(got.body)); lines.Scan(); {
		if number, is := strings.CutPrefix(lines.Text(), "go_goroutines "); is {
			return strconv.Atoi(number)
		}
	}
	return 0, fmt.Errorf("%s/metrics has no go_goroutines", a.base)
}
