// Package handlers is the REST API: routes, wire types, problems and
// authentication. A request records a wish in the store; the brokers make it
// so. What is allowed is decided by package farm alone.
package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// Config is what the API needs.
type Config struct {
	Store   store.Store
	Kinds   Kinds
	Bounds  farm.Bounds // as published
	Timing  farm.Timing // what the bounds follow from
	Version string      // of this server
	Self    Self
	Log     *slog.Logger

	// RequestTimeout is how long a request may wait for storage in all.
	RequestTimeout time.Duration
	// BodyTimeout is how long a client may take to send a request's body. It is
	// no part of RequestTimeout.
	BodyTimeout time.Duration
	// TestTimeout is how long a test of a Provider's connection may take.
	TestTimeout time.Duration
	// Heartbeat is how often an event stream says that it is alive.
	Heartbeat time.Duration
	// WriteTimeout is how long a client of an event stream may take to accept
	// a message before it is given up.
	WriteTimeout time.Duration
	// MaxWatches is how many event streams this server serves at once.
	MaxWatches int
	// MaxBody is the size of the largest request body, in bytes.
	MaxBody int64

	// Observe, if set, hears of every request that has been answered. route is
	// the pattern, or empty if no route matched.
	Observe func(method, route string, status int, took time.Duration)
}

// Self names the broker that this server is; all is empty if it is none.
type Self struct {
	Site    farm.SiteID
	Broker  farm.BrokerID
	Process string // as in the presence of this process
}

// Kinds is what the API asks of the kinds of Provider.
type Kinds interface {
	// Types lists the kinds, in the order to be shown.
	Types() []ProviderType

	// Check says, without any I/O, what is wrong with a Provider's type,
	// address, credentials or options, each with a pointer into the Provider;
	// none if nothing is. They are shown to the client.
	Check(p farm.Provider, secret string) []Fault

	// Test tries to connect, within ctx, and disconnects again.
	Test(ctx context.Context, p farm.Provider, secret string) TestResult
}

// ProviderType is a kind of Provider.
type ProviderType struct {
	ID          string          `json:"id" example:"vsphere"`
	Name        string          `json:"name" example:"VMware vSphere"`
	Description string          `json:"description"`
	AddressHint string          `json:"addressHint" example:"https://vcenter.example/sdk"`
	Options     json.RawMessage `json:"options" swaggertype:"object"` // JSON schema of the options
} //@name ProviderType

// TestResult is how an attempt to connect to a Provider went.
type TestResult struct {
	OK      bool
	Reason  farm.Reason
	Message string // a sentence for a person
	Err     error  // for the log
	Hosts   int
	Took    time.Duration
}

// DefaultConfig returns a Config with every default; Store, Kinds, Bounds and
// Timing are still to be set.
func DefaultConfig() Config {
	return Config{
		Version:        "dev",
		Log:            slog.New(slog.DiscardHandler),
		RequestTimeout: 3 * time.Second,
		BodyTimeout:    20 * time.Second,
		TestTimeout:    15 * time.Second,
		Heartbeat:      10 * time.Second,
		WriteTimeout:   10 * time.Second,
		MaxWatches:     10_000,
		MaxBody:        1 << 20,
	}
}

// Validate reports all faults at once.
func (c Config) Validate() error {
	var faults []error
	must := func(ok bool, rule string) {
		if !ok {
			faults = append(faults, errors.New("handlers: "+rule))
		}
	}
	must(c.Store != nil, "Store is required")
	must(c.Kinds != nil, "Kinds is required")
	must(c.Log != nil, "Log is required")
	must(c.RequestTimeout > 0, "RequestTimeout must be more than 0")
	must(c.BodyTimeout > 0, "BodyTimeout must be more than 0")
	must(c.TestTimeout > 0, "TestTimeout must be more than 0")
	must(c.Heartbeat > 0, "Heartbeat must be more than 0")
	must(c.WriteTimeout > 0, "WriteTimeout must be more than 0")
	must(c.MaxWatches > 0, "MaxWatches must be more than 0")
	must(c.MaxBody > 0, "MaxBody must be more than 0")
	return errors.Join(faults...)
}

// API serves the REST API and what is mounted beside it.
type API struct {
	Config
	router   http.Handler
	beside   []Beside
	feeds    feeds
	watches  atomic.Int64
	unknown  *rate.Limiter // requests with a token that this server does not know
	stopping context.Context
	stop     context.CancelFunc
}

// Beside is a handler served beside the API, under the same middleware but
// without authentication. Pattern is a path, a path ending in "/*" for all
// below it, or "/" for every GET that no route answers.
type Beside struct {
	Pattern string
	Handler http.Handler
}

// New returns the API.
func New(c Config, beside ...Beside) (*API, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	a := &API{Config: c, beside: beside, unknown: rate.NewLimiter(100, 500)}
	a.stopping, a.stop = context.WithCancel(context.Background())
	a.router = a.newRouter()
	return a, nil
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.router.ServeHTTP(w, r) }

// EndStreams ends every event stream, and those that would begin, so that the
// server can stop: give it to http.Server.RegisterOnShutdown.
func (a *API) EndStreams() { a.stop() }
