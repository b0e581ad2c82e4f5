package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/quorate/quorate/handlers"
	"github.com/quorate/quorate/openapi"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/web"
)

// drainTimeout is how long requests that are being answered when the server
// stops may go on: a little more than they may wait for storage. Watches end at
// once.
const drainTimeout = 3500 * time.Millisecond

func newAPI(cfg Config, st store.Store, metrics *prometheus.Registry, process, version string, log *slog.Logger) (*handlers.API, error) {
	c := handlers.DefaultConfig()
	c.Store, c.Kinds = st, kinds(drivers())
	c.Timing = cfg.Timing()
	c.Bounds = c.Timing.Bounds()
	c.Version, c.Log = version, log
	c.Self = handlers.Self{Site: cfg.Site, Broker: cfg.Broker, Process: process}
	c.Observe = observer(metrics)
	return handlers.New(c,
		handlers.Beside{Pattern: "/metrics", Handler: promhttp.HandlerFor(metrics, promhttp.HandlerOpts{})},
		handlers.Beside{Pattern: "/openapi.json", Handler: openapi.Handler()},
		handlers.Beside{Pattern: "/openapi.yaml", Handler: openapi.Handler()},
		handlers.Beside{Pattern: "/swagger/*", Handler: openapi.UI()},
		handlers.Beside{Pattern: "/", Handler: web.Handler()},
	)
}

func newHTTPServer(cfg Config, api *handlers.API, log *slog.Logger) (*http.Server, error) {
	s := &http.Server{
		Handler: api,
		// No WriteTimeout: a watch is written to for as long as it is open, and
		// bounds each write itself.
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	s.RegisterOnShutdown(api.EndStreams)
	if cfg.TLSCert == "" {
		return s, nil
	}
	cert, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	return s, nil
}

// serveHTTP serves until ctx ends, then lets requests end within drainTimeout.
func serveHTTP(ctx context.Context, s *http.Server, ln net.Listener) error {
	arrived := newArrivals()
	s.ConnState = arrived.note
	served := make(chan error, 1)
	go func() {
		if s.TLSConfig != nil {
			served <- s.ServeTLS(ln, "", "")
		} else {
			served <- s.Serve(ln)
		}
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	drained, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	_ = ln.Close()
	err := <-served
	arrived.wait(drained)
	if err := s.Shutdown(drained); err != nil {
		_ = s.Close() // whoever is left has had the time
	}
	if !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
