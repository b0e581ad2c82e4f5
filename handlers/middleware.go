package handlers

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/quorate/quorate/store"
)

type contextKey int

const (
	requestIDKey contextKey = iota
	callerKey
)

// caller is who asks.
type caller struct {
	hash store.TokenHash
	name string
}

var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9._:/=+-]{1,128}$`)

// identify gives each request an id: the client's own if it is sane.
func (a *API) identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if !saneRequestID.MatchString(id) || tokens.MatchString(id) {
			var b [8]byte
			_, _ = rand.Read(b[:]) // never fails
			id = hex.EncodeToString(b[:])
		}
		w.Header().Set("X-Request-Id", id)
		ctx := context.WithValue(r.Context(), requestIDKey, id)
		ctx = context.WithValue(ctx, callerKey, &caller{})
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey).(string)
	return id
}

// callerOf returns who asks; it is filled in by authenticate.
func callerOf(ctx context.Context) *caller {
	c, ok := ctx.Value(callerKey).(*caller)
	if !ok {
		return &caller{}
	}
	return c
}

// secure sets the headers that keep browsers from guessing and framing.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		if underAPI(r) {
			h.Set("Cache-Control", "no-store")
			h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		}
		next.ServeHTTP(w, r)
	})
}

func underAPI(r *http.Request) bool {
	return r.URL.Path == "/api" || strings.HasPrefix(r.URL.Path, "/api/")
}

// observe logs each request once it has been answered: never a body or a token.
func (a *API) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		defer func() {
			took, status := time.Since(start), ww.Status()
			if status == 0 {
				status = http.StatusOK
			}
			if a.Observe != nil {
				a.Observe(r.Method, chi.RouteContext(r.Context()).RoutePattern(), status, took)
			}
			level := slog.LevelInfo
			if !underAPI(r) {
				level = slog.LevelDebug // probes, metrics and the console's files
			}
			a.Log.Log(r.Context(), level, "request", "method", loggable(r.Method), "path", loggable(r.URL.Path), "status", status,
				"bytes", ww.BytesWritten(), "took", took, "requestId", requestID(r.Context()), "token", callerOf(r.Context()).name)
		}()
		next.ServeHTTP(ww, r)
	})
}

// recover answers 500 for a handler that panics.
func (a *API) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(cause)
			}
			a.Log.ErrorContext(r.Context(), "handler panicked", "requestId", requestID(r.Context()), "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			a.fail(w, r, problem("internal", "The request could not be carried out. The server's log has the cause under the requestId."))
		}()
		next.ServeHTTP(w, r)
	})
}

// authenticate lets nobody without a token of the Farm through to /api.
func (a *API) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if underAPI(r) {
			who, err := a.whoAsks(r)
			if err != nil {
				a.fail(w, r, err)
				return
			}
			*callerOf(r.Context()) = who
		}
		next.ServeHTTP(w, r)
	})
}

// whoAsks finds the token among those of the Farm. Tokens are looked up by
// their hash, so how long that takes says nothing about any token.
func (a *API) whoAsks(r *http.Request) (caller, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return caller{}, problem("unauthorized", "Send the header Authorization: Bearer, followed by a token of this Farm.")
	}
	sum := sha256.Sum256([]byte(token))
	hash := store.TokenHash(hex.EncodeToString(sum[:]))
	if t, known := a.Store.Latest().Tokens[hash]; known {
		return caller{hash, t.Name}, nil
	}
	// It may be newer than what this server has seen, or nobody's. Asking
	// storage is rationed so that guessing costs storage nothing.
	if !a.unknown.Allow() {
		return caller{}, problem("too-many-requests", "Too many requests with unknown tokens. Wait a second, then repeat the request with a valid token.")
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.RequestTimeout)
	defer cancel()
	view, err := a.Store.Current(ctx)
	if err != nil {
		return caller{}, fmt.Errorf("look up token: %w", err)
	}
	if t, known := view.Tokens[hash]; known {
		return caller{hash, t.Name}, nil
	}
	return caller{}, problem("unauthorized", "The token is not one of this Farm: it may have been replaced. Whoever runs the servers has the one that counts, and can replace one that is lost: quorate root-token replace.")
}
