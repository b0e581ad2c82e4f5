// Package etcdtest runs a real etcd inside a test, which can be stopped,
// started again and cut off.
package etcdtest

import (
	"fmt"
	"net/url"
	"os"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// Server is one etcd, alone in its cluster. Clients reach it through a Proxy,
// so that its address stays the same and its connections can be cut.
type Server struct {
	*Proxy
	dir  string
	etcd *embed.Etcd
}

// Start runs an etcd until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// New runs an etcd with its data in dir; Close ends it.
func New(dir string) (*Server, error) {
	s := &Server{dir: dir}
	var err error
	if s.Proxy, err = NewProxy(); err != nil {
		return nil, err
	}
	if err := s.run(); err != nil {
		s.Proxy.Close()
		return nil, err
	}
	return s, nil
}

// Endpoints is where clients find it.
func (s *Server) Endpoints() []string { return []string{"http://" + s.Addr()} }

// Stop ends the etcd; what is stored is kept for Restart. Leases do not run
// out meanwhile.
func (s *Server) Stop() {
	if s.etcd == nil {
		return
	}
	s.Cut()
	s.etcd.Close()
	s.etcd = nil
}

// Restart runs it again at the same address, with what was stored.
func (s *Server) Restart() error {
	s.Stop()
	return s.run()
}

// Close ends it for good.
func (s *Server) Close() {
	s.Stop()
	s.Proxy.Close()
}

func (s *Server) run() error {
	local := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg := embed.NewConfig()
	cfg.Dir = s.dir
	cfg.Name = "etcd-test"
	cfg.ListenClientUrls = []url.URL{local}
	cfg.ListenPeerUrls = []url.URL{local}
	cfg.InitialCluster = cfg.Name + "=" + cfg.AdvertisePeerUrls[0].String()
	cfg.TickMs, cfg.ElectionMs = 50, 500
	cfg.UnsafeNoFsync = true
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	if _, err := os.Stat(s.dir + "/member"); err == nil {
		cfg.ClusterState = embed.ClusterStateFlagExisting
	}
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	select {
	case <-e.Server.ReadyNotify():
	case err := <-e.Err():
		e.Close()
		return fmt.Errorf("start etcd: %w", err)
	case <-time.After(20 * time.Second):
		e.Close()
		return fmt.Errorf("start etcd: it is not ready")
	}
	s.etcd = e
	s.Forward(e.Clients[0].Addr().String())
	return nil
}
