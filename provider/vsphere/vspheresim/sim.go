// Package vspheresim starts govmomi's vCenter simulator as a TLS server with a
// small pool of desktops in it: a real vSphere API peer for tests and for
// `quorate dev`, on one machine and with nothing installed.
package vspheresim

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi/simulator"
)

// Config says what to simulate. Zero fields take their default.
type Config struct {
	// Listener is served, and closed by Close. By default a free port of the
	// loopback.
	Listener net.Listener
	// Names are further DNS names and IP addresses that the certificate is good
	// for, besides those of the loopback and of the Listener.
	Names []string
	// Certificate is what the server shows; by default one that it signs itself.
	Certificate *tls.Certificate
	// Hosts is the number of VMs; 10 by default. Every fifth is off.
	Hosts int
	// Prefix begins the names of the VMs; "desktop-" by default.
	Prefix string
	// Username and Password are what a login must give; "administrator" and
	// "quorate" by default.
	Username, Password string
}

// Defaults of a Config.
const (
	DefaultHosts    = 10
	DefaultPrefix   = "desktop-"
	DefaultUsername = "administrator"
	DefaultPassword = "quorate"
)

// Server is one simulated vCenter. It shares nothing with others in the
// process. Its methods are safe for concurrent use.
type Server struct {
	config   Config
	model    *simulator.Model
	service  *simulator.Service
	cluster  cluster
	sessions *sessions
	http     *http.Server
	caPEM    []byte

	requests atomic.Int32  // those being answered
	served   chan struct{} // closed when the listener is no longer served
	closing  sync.Once
}

// Start returns a Server that answers at its URL.
func Start(c Config) (*Server, error) {
	c = c.withDefaults()
	if c.Listener == nil {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		c.Listener = l
	}
	s := &Server{config: c, served: make(chan struct{})}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, c.Listener.Close())
	}
	return s, nil
}

func (c Config) withDefaults() Config {
	if c.Hosts == 0 {
		c.Hosts = DefaultHosts
	}
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	if c.Username == "" {
		c.Username = DefaultUsername
	}
	if c.Password == "" {
		c.Password = DefaultPassword
	}
	return c
}

func (s *Server) start() error {
	if s.config.Certificate == nil {
		cert, caPEM, err := certificate(s.config.Listener.Addr(), s.config.Names)
		if err != nil {
			return err
		}
		s.config.Certificate, s.caPEM = &cert, caPEM
	}
	if err := s.build(); err != nil {
		if s.model.Service != nil {
			s.model.Remove()
		}
		return err
	}

	// As simulator.Service.NewServer, but with a server that is ours to stop,
	// and without its writes to variables that all simulators share.
	registry := s.service.Context.Map
	s.service.Listen = s.url()
	s.service.Listen.User = url.UserPassword(s.config.Username, s.config.Password)
	s.service.RegisterSDK(registry, registry.Path+"/vimService")
	s.service.ServeMux.HandleFunc(registry.Path+"/vimServiceVersions.xml", s.service.ServiceVersions)
	s.sessions = newSessions(s.service)

	s.http = &http.Server{
		Handler:   http.HandlerFunc(s.serve),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{*s.config.Certificate}, MinVersion: tls.VersionTLS12},
		ErrorLog:  log.New(io.Discard, "", 0),
	}
	go func() {
		defer close(s.served)
		_ = s.http.ServeTLS(s.config.Listener, "", "")
	}()
	return nil
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	defer s.requests.Add(-1)
	s.service.ServeMux.ServeHTTP(w, r)
}

func (s *Server) url() *url.URL {
	host := s.config.Listener.Addr().String()
	if tcp, ok := s.config.Listener.Addr().(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host = net.JoinHostPort("localhost", strconv.Itoa(tcp.Port))
	}
	return &url.URL{Scheme: "https", Host: host, Path: "/sdk"}
}

// URL is the address of the API, https://host:port/sdk, as seen from this
// machine.
func (s *Server) URL() string { return s.url().String() }

// Username is what a login must give.
func (s *Server) Username() string { return s.config.Username }

// Password is what a login must give.
func (s *Server) Password() string { return s.config.Password }

// CertificatePEM is the self-signed certificate, which is its own authority;
// empty if Config gave another one.
func (s *Server) CertificatePEM() string { return string(s.caPEM) }

// Sessions is the number of logins that are neither logged out nor terminated.
func (s *Server) Sessions() int { return len(s.sessions.keys()) }

// Requests is the number of calls that are being answered. A client that waits
// for updates is in one.
func (s *Server) Requests() int { return int(s.requests.Load()) }

// TerminateSessions ends every session, as an administrator of a vCenter can.
func (s *Server) TerminateSessions() error { return s.sessions.terminate() }

// Close cuts every connection, as a crash would, and returns when nothing of
// the Server is left. Repeating it does nothing.
func (s *Server) Close() {
	s.closing.Do(func() {
		_ = s.http.Close()
		<-s.served
		s.sessions.close()
		for s.requests.Load() > 0 { // a wait may begin just after it was cancelled
			s.sessions.cancel()
			time.Sleep(time.Millisecond)
		}
		s.model.Remove()
	})
}
