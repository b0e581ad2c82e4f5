// Package client speaks to the REST API, for `quorate dev` and for tests. It
// knows the fields that those need.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Client asks one of a Farm's servers, and another one when that is away. It is
// safe for concurrent use.
type Client struct {
	http  *http.Client
	token string
	bases []string
	at    atomic.Int64 // which base answered last

	// Trouble, if set, hears of each time that a watch broke or could not be
	// opened. An error that it returns ends the watch. Set it before the first call.
	Trouble func(error) error
}

// New returns a client of the servers at the base URLs, whose certificates this
// machine trusts.
func New(token string, bases ...string) *Client { return NewTLS(nil, token, bases...) }

// NewTLS is New with an opinion on TLS; nil: none.
func NewTLS(security *tls.Config, token string, bases ...string) *Client {
	trimmed := make([]string, len(bases))
	for i, b := range bases {
		trimmed[i] = strings.TrimRight(b, "/")
	}
	return &Client{
		http: &http.Client{Transport: &http.Transport{
			Proxy:               nil,
			TLSClientConfig:     security,
			DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 8,
			IdleConnTimeout:     30 * time.Second,
		}},
		token: token, bases: trimmed,
	}
}

// Close frees the connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Problem is an answer that is not a success.
type Problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string {
	return fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail)
}

// IsStatus reports whether err is a problem with that status.
func IsStatus(err error, status int) bool {
	var p *Problem
	return errors.As(err, &p) && p.Status == status
}

// maxAnswer is more than any answer has.
const maxAnswer = 64 << 20

// Do sends body (nil: none) to a path below /api/v1 and decodes the answer into
// into (nil: it is thrown away). Any answer but 2xx is a *Problem. A server
// that cannot be connected to is passed over for the next one.
func (c *Client) Do(ctx context.Context, method, path string, body, into any) error {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	var answer *http.Response
	err := c.try(ctx, func(base string) error {
		request, err := c.request(ctx, method, base+"/api/v1"+path, content)
		if err != nil {
			return err
		}
		answer, err = c.http.Do(request)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer func() { _ = answer.Body.Close() }()
	got, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %w", method, path, problem(answer.StatusCode, got))
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(got, into); err != nil {
		return fmt.Errorf("%s %s: the answer: %w", method, path, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, url string, content []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	switch {
	case len(content) > 0 && method == http.MethodPatch:
		r.Header.Set("Content-Type", "application/merge-patch+json")
	case len(content) > 0:
		r.Header.Set("Content-Type", "application/json")
	}
	return r, nil
}

// try calls send for one server after the other until one could be connected to.
func (c *Client) try(ctx context.Context, send func(base string) error) error {
	var errs []error
	first := c.at.Load()
	for i := range int64(len(c.bases)) {
		at := (first + i) % int64(len(c.bases))
		err := send(c.bases[at])
		if err == nil {
			c.at.Store(at)
			return nil
		}
		errs = append(errs, err)
		var dial *net.OpError
		if ctx.Err() != nil || !errors.As(err, &dial) || dial.Op != "dial" {
			break
		}
	}
	return errors.Join(errs...)
}

func problem(status int, content []byte) *Problem {
	p := &Problem{}
	if json.Unmarshal(content, p) != nil || p.Status == 0 {
		p = &Problem{Detail: strings.TrimSpace(string(content[:min(len(content), 200)]))}
	}
	p.Status = status
	return p
}

// Ready asks a server's /readyz, and returns its answer as it came.
func Ready(ctx context.Context, base string) (ready bool, answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c := New("", base)
	defer c.Close()
	request, err := c.request(ctx, http.MethodGet, c.bases[0]+"/readyz", nil)
	if err != nil {
		return false, "", err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return false, "", err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response.StatusCode == http.StatusOK, strings.TrimSpace(string(content)), err
}
