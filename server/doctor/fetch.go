package doctor

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"
)

// reply is a server's answer to a question that needs no token.
type reply struct {
	status      int
	body        []byte
	date        time.Time // of the server's clock, in whole seconds; zero if it does not say
	asked, came time.Time // of ours
}

// fetch asks without proof of who answers, for nothing secret is sent or
// believed: certificates are judged by their own check.
func fetch(ctx context.Context, url string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return reply{}, err
	}
	accepted := false
	request = request.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectDone: func(_, _ string, err error) { accepted = accepted || err == nil },
	}))
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	r := reply{asked: time.Now()}
	answer, err := transport.RoundTrip(request)
	if err != nil && accepted {
		return reply{}, &hung{err}
	}
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	r.came = time.Now()
	r.status = answer.StatusCode
	r.date, _ = http.ParseTime(answer.Header.Get("Date"))
	r.body, err = io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	return r, err
}

// hung is why something that has accepted a connection did not answer.
type hung struct{ error }

func (h *hung) Unwrap() error { return h.error }

// says reports whether a field of the answer is so.
func (r reply) says(field, value string) bool {
	var o map[string]any
	return json.Unmarshal(r.body, &o) == nil && o[field] == value
}

// warnings are what /readyz says is wrong although the server is ready.
func (r reply) warnings() string {
	var o struct{ Warnings []string }
	_ = json.Unmarshal(r.body, &o) // then it says nothing
	return strings.Join(o.Warnings, " ")
}

// secretKeys are those that /readyz names; empty if it names none.
func (r reply) secretKeys() string {
	var o struct {
		SecretKeys []struct {
			ID      uint32
			Primary bool
		}
	}
	_ = json.Unmarshal(r.body, &o) // an older server
	var names []string
	for _, k := range o.SecretKeys {
		name := fmt.Sprint(k.ID)
		if k.Primary {
			name += " (primary)"
		}
		names = append(names, name)
	}
	return strings.Join(names, " and ")
}

// unready is what /readyz says is wrong.
func (r reply) unready() string {
	var o struct {
		Checks []struct {
			OK     bool
			Detail string
		}
	}
	_ = json.Unmarshal(r.body, &o) // then it says nothing
	var details []string
	for _, c := range o.Checks {
		if !c.OK && c.Detail != "" {
			details = append(details, c.Detail)
		}
	}
	if len(details) == 0 {
		return http.StatusText(r.status) + "."
	}
	return strings.Join(details, " ")
}
