// Package etcd is the Farm's memory in etcd: the only package that knows keys,
// leases, transactions and the etcd client. DESIGN.md says why it is as it is.
package etcd

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/store"
)

var _ store.Store = (*Store)(nil)

// DefaultPrefix is what all keys begin with.
const DefaultPrefix = "/quorate/"

// How long is waited for one answer. Calls go on until their context ends
// where it is safe to ask again; what is bounded here is one attempt, so that
// a member that is frozen does not hold up what another one can answer.
const (
	readTimeout    = time.Second            // a read; it is asked again
	writeTimeout   = 3 * time.Second        // a transaction; long enough for a leader's election
	attemptTimeout = time.Second            // an attempt of one that can be sent again
	resendWait     = 20 * time.Millisecond  // before it is sent again, with jitter
	revokeTimeout  = 500 * time.Millisecond // cleaning up after a call that was given up
	retryPause     = 20 * time.Millisecond  // before a read is asked again
)

// Config says where the Farm's memory is.
type Config struct {
	Client *clientv3.Client // see Dial; it stays the caller's to close
	Prefix string           // empty: DefaultPrefix
	Sealer *store.Sealer    // nil: secrets can be neither stored nor read
	Log    *slog.Logger     // nil: silent

	// Visit looks at a Farm that is there, and makes none: Run is ErrNoFarm where
	// there is nothing, and a secret key never becomes the Farm's.
	Visit bool
}

// Store is one server's way to the Farm's memory.
type Store struct {
	client *clientv3.Client
	leases etcdserverpb.LeaseClient
	keys   keys
	sealer *store.Sealer
	log    *slog.Logger
	visit  bool

	views  views
	reads  reads
	ready  atomic.Bool // a View is there
	keyed  atomic.Bool // the sealer's key is the Farm's
	closed closed
	asks   chan struct{} // wants the watch to say how far it is
	doubt  chan struct{} // wants everything listed again

	farm  atomic.Pointer[record] // nil: not met yet
	other atomic.Bool            // etcd holds another Farm, or none

	ended chan struct{} // closed when Run has returned
	once  sync.Once

	why error // of Run; to be read when views.over is closed
}

// New makes a Store, which sees nothing until its Run is called. It does not
// ask etcd anything.
func New(cfg Config) (*Store, error) {
	if cfg.Client == nil {
		return nil, errors.New("etcd store: no client")
	}
	if cfg.Prefix == "" {
		cfg.Prefix = DefaultPrefix
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		client: cfg.Client,
		leases: clientv3.RetryLeaseClient(cfg.Client),
		keys:   keys{strings.TrimSuffix(cfg.Prefix, "/") + "/"},
		sealer: cfg.Sealer,
		log:    cfg.Log,
		visit:  cfg.Visit,
		asks:   make(chan struct{}, 1),
		doubt:  make(chan struct{}, 1),
		ended:  make(chan struct{}),
	}
	s.views.over = make(chan struct{})
	s.views.reset(store.NewDraft(nil, 0).View(), 0)
	return s, nil
}

// pause waits about d, with jitter, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
