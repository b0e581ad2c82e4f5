package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/quorate/quorate/broker"
	"github.com/quorate/quorate/farm"
)

// contactPath is where a server answers other brokers. It is no part of the REST
// API and needs no token: messages are authenticated by what is in them, see
// broker.Line.
const contactPath = "/contact"

const contactType = "application/octet-stream"

// answering passes messages of other brokers on, and everything else to the API.
func answering(l *broker.Line, api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != contactPath {
			api.ServeHTTP(w, r)
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "brokers only: POST", http.StatusMethodNotAllowed)
			return
		}
		message, err := io.ReadAll(http.MaxBytesReader(w, r.Body, broker.MaxMessage))
		if err != nil {
			http.Error(w, "the message cannot be read", http.StatusBadRequest)
			return
		}
		said, err := l.Answer(message)
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", contactType)
		_, _ = w.Write(said)
	})
}

// newLine speaks HTTP to other servers. Who they are is proven by their answers
// and not by their certificates, so that brokers need no authority in common.
func newLine() *broker.Line {
	dialer := net.Dialer{Timeout: farm.ContactTimeout}
	transport := &http.Transport{
		DialContext:         dialer.DialContext,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true},
		MaxIdleConnsPerHost: 1,
		IdleConnTimeout:     10 * farm.ContactEvery,
	}
	client := &http.Client{
		Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("a broker does not redirect")
		},
	}
	return broker.NewLine(func(ctx context.Context, address string, message []byte) ([]byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(address, "/")+contactPath, bytes.NewReader(message))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", contactType)
		resp, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		said, err := io.ReadAll(io.LimitReader(resp.Body, broker.MaxMessage))
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(said))
		}
		return said, err
	})
}
