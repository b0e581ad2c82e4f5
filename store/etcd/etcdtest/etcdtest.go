// Package etcdtest runs a real etcd inside a test, which can be stopped,
// started again, cut off and frozen.
package etcdtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/backend"
	"go.etcd.io/etcd/server/v3/storage/mvcc"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"go.uber.org/zap"
)

// Server is one etcd. Clients reach it through a Proxy, so that its address
// stays the same and its connections can be cut.
type Server struct {
	*Proxy
	name    string
	dir     string
	peer    url.URL
	cluster string
	adjust  func(*embed.Config)
	etcd    *embed.Etcd
}

// Start runs an etcd, alone in its cluster, until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartWith(t, nil)
}

// StartWith does so with settings of the test's own.
func StartWith(t testing.TB, adjust func(*embed.Config)) *Server {
	t.Helper()
	s, err := New(t.TempDir(), adjust)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// New runs an etcd, alone in its cluster, with its data in dir; Close ends it.
// adjust, if not nil, changes its settings.
func New(dir string, adjust func(*embed.Config)) (*Server, error) {
	all, err := newCluster(dir, 1, adjust)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// StartCluster runs a cluster of n until the test ends. Its members talk to
// each other directly: a cut or a freeze is one between a member and its clients.
func StartCluster(t testing.TB, n int) []*Server {
	t.Helper()
	all, err := newCluster(t.TempDir(), n, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(all) })
	return all
}

func newCluster(dir string, n int, adjust func(*embed.Config)) ([]*Server, error) {
	var all []*Server
	var members []string
	for i := range n {
		proxy, err := NewProxy()
		if err != nil {
			closeAll(all)
			return nil, err
		}
		s := &Server{Proxy: proxy, name: fmt.Sprintf("etcd-%d", i+1), dir: filepath.Join(dir, fmt.Sprint(i+1)), adjust: adjust}
		all = append(all, s)
		if s.peer, err = freeURL(); err != nil {
			closeAll(all)
			return nil, err
		}
		members = append(members, s.name+"="+s.peer.String())
	}
	for _, s := range all {
		s.cluster = strings.Join(members, ",")
		if err := s.launch(); err != nil {
			closeAll(all)
			return nil, err
		}
	}
	for _, s := range all {
		if err := s.await(); err != nil {
			closeAll(all)
			return nil, err
		}
	}
	return all, nil
}

func closeAll(all []*Server) {
	for _, s := range all {
		s.Close()
	}
}

func freeURL() (url.URL, error) {
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return url.URL{}, err
	}
	return url.URL{Scheme: "http", Host: ln.Addr().String()}, ln.Close()
}

// Endpoints is where clients find it.
func (s *Server) Endpoints() []string { return []string{"http://" + s.Addr()} }

// Direct is where it really listens, past the proxy; it changes with Restart.
func (s *Server) Direct() []string { return []string{"http://" + s.etcd.Clients[0].Addr().String()} }

// Leads reports whether it is the leader of its cluster.
func (s *Server) Leads() bool {
	return s.etcd != nil && s.etcd.Server.Leader() == s.etcd.Server.MemberID()
}

// Uncut lets clients in again after Cut.
func (s *Server) Uncut() { s.Forward(s.etcd.Clients[0].Addr().String()) }

// Stop ends the etcd; what is stored is kept for Restart. Leases do not run
// out meanwhile, if it is alone.
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
	if err := s.launch(); err != nil {
		return err
	}
	return s.await()
}

// Empty runs it again at the same address with nothing stored, as after the
// loss of its disk. back runs it with what was stored until then.
func (s *Server) Empty() (back func() error, err error) {
	s.Stop()
	kept := s.dir + "-kept"
	if err := os.Rename(s.dir, kept); err != nil {
		return nil, err
	}
	return func() error {
		s.Stop()
		if err := os.RemoveAll(s.dir); err != nil {
			return err
		}
		if err := os.Rename(kept, s.dir); err != nil {
			return err
		}
		return s.Restart()
	}, s.Restart()
}

// Save keeps a copy of what is stored. restore runs it with that again, whatever
// has been stored since: its revision goes back.
func (s *Server) Save() (restore func() error, err error) {
	return s.save(func() error { return nil })
}

// SaveToLift does so too, but restore lifts the revision by that many, and marks
// all before as compacted, as etcdutl does with --bump-revision --mark-compacted.
func (s *Server) SaveToLift(by int64) (restore func() error, err error) {
	return s.save(func() error { return lift(filepath.Join(s.dir, "member", "snap", "db"), by) })
}

func lift(db string, by int64) error {
	be := backend.NewDefaultBackend(zap.NewNop(), db)
	tx := be.BatchTx()
	tx.LockOutsideApply()
	var last mvcc.BucketKey
	err := tx.UnsafeForEach(schema.Key, func(k, _ []byte) error {
		last = mvcc.BytesToBucketKey(k)
		return nil
	})
	last.Main += by
	tx.UnsafePut(schema.Key, mvcc.BucketKeyToBytes(last, mvcc.NewRevBytes()), nil)
	mvcc.UnsafeSetScheduledCompact(tx, last.Main)
	tx.Unlock()
	be.ForceCommit()
	return errors.Join(err, be.Close())
}

func (s *Server) save(adapt func() error) (restore func() error, err error) {
	s.Stop()
	saved := s.dir + "-saved"
	if err := os.CopyFS(saved, os.DirFS(s.dir)); err != nil {
		return nil, err
	}
	return func() error {
		s.Stop()
		if err := os.RemoveAll(s.dir); err != nil {
			return err
		}
		if err := errors.Join(os.Rename(saved, s.dir), adapt()); err != nil {
			return err
		}
		return s.Restart()
	}, s.Restart()
}

// Close ends it for good.
func (s *Server) Close() {
	s.Stop()
	s.Proxy.Close()
}

func (s *Server) launch() error {
	local := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg := embed.NewConfig()
	cfg.Dir = s.dir
	cfg.Name = s.name
	cfg.ListenClientUrls = []url.URL{local}
	cfg.ListenPeerUrls = []url.URL{s.peer}
	cfg.AdvertisePeerUrls = []url.URL{s.peer}
	cfg.InitialCluster = s.cluster
	cfg.EnableGRPCGateway = false
	cfg.TickMs, cfg.ElectionMs = 50, 500
	cfg.UnsafeNoFsync = true
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	if _, err := os.Stat(filepath.Join(s.dir, "member")); err == nil {
		cfg.ClusterState = embed.ClusterStateFlagExisting
	}
	if s.adjust != nil {
		s.adjust(cfg)
	}
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return fmt.Errorf("start etcd: %w", err)
	}
	s.etcd = e
	return nil
}

func (s *Server) await() error {
	select {
	case <-s.etcd.Server.ReadyNotify():
		s.Uncut()
		return nil
	case err := <-s.etcd.Err():
		return fmt.Errorf("start etcd: %w", err)
	case <-time.After(20 * time.Second):
		return errors.New("start etcd: it is not ready")
	}
}
