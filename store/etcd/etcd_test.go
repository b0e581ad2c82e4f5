package etcd_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
	"github.com/quorate/quorate/store/etcd/etcdtest"
	"github.com/quorate/quorate/store/storetest"
)

// memory is one prefix of an etcd, with servers on it.
type memory struct {
	srv    *etcdtest.Server
	prefix string
	sealer *store.Sealer
	raw    *clientv3.Client
}

func newMemory(t *testing.T, srv *etcdtest.Server) *memory {
	t.Helper()
	return &memory{srv: srv, prefix: fmt.Sprintf("/%d/", time.Now().UnixNano()), sealer: newSealer(t), raw: dial(t, srv)}
}

// newSealer has a key of its own.
func newSealer(t *testing.T) *store.Sealer {
	t.Helper()
	keyset, err := store.GenerateKeyset()
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := store.NewSealer(keyset)
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

func dial(t *testing.T, srv *etcdtest.Server) *clientv3.Client {
	t.Helper()
	client, err := etcd.Dial(etcd.DialConfig{Endpoints: srv.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// open runs a server of its own, with a client of its own.
func (m *memory) open(t *testing.T) *etcd.Store {
	t.Helper()
	st, err := etcd.New(etcd.Config{Client: dial(t, m.srv), Prefix: m.prefix, Sealer: m.sealer})
	if err != nil {
		t.Fatal(err)
	}
	run(t, st)
	return st
}

func run(t *testing.T, st store.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- st.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(2 * time.Second):
			t.Error("it does not stop")
		}
	})
}

func (m *memory) expire(t *testing.T, site farm.SiteID, broker farm.BrokerID) {
	t.Helper()
	got, err := m.raw.Get(t.Context(), m.prefix+"presence/"+string(site)+"/"+string(broker))
	if err != nil || len(got.Kvs) != 1 {
		t.Fatalf("presence of %s: %v, %v", broker, got, err)
	}
	if _, err := m.raw.Revoke(t.Context(), clientv3.LeaseID(got.Kvs[0].Lease)); err != nil {
		t.Fatal(err)
	}
}

func (m *memory) compact(t *testing.T) {
	t.Helper()
	got, err := m.raw.Get(t.Context(), "x")
	if err == nil {
		_, err = m.raw.Compact(t.Context(), got.Header.Revision, clientv3.WithCompactPhysical())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (m *memory) all(t *testing.T) *clientv3.GetResponse {
	t.Helper()
	got, err := m.raw.Get(t.Context(), m.prefix, clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (m *memory) left(t *testing.T, site farm.SiteID) (left []string) {
	for _, kv := range m.all(t).Kvs {
		if key := append(kv.Key, '/'); bytes.Contains(key, []byte("/"+string(site)+"/")) {
			left = append(left, string(kv.Key))
		}
	}
	return left
}

func (m *memory) contents(t *testing.T) []byte {
	var all bytes.Buffer
	for _, kv := range m.all(t).Kvs {
		all.Write(kv.Key)
		all.Write(kv.Value)
	}
	return all.Bytes()
}

func TestEtcdKeepsTheContract(t *testing.T) {
	srv := etcdtest.Start(t)
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		m := newMemory(t, srv)
		return storetest.Backend{
			Open: func(t *testing.T) store.Store { return m.open(t) },
			OpenWithKey: func(t *testing.T, _ string) store.Store {
				other := *m
				other.sealer = newSealer(t)
				return other.open(t)
			},
			Expire:  m.expire,
			Compact: m.compact,
			Left:    m.left,
			Raw:     m.contents,
			Replace: func(t *testing.T) func() {
				back, err := srv.Empty()
				if err != nil {
					t.Fatal(err)
				}
				return func() {
					if err := back(); err != nil {
						t.Fatal(err)
					}
				}
			},
			CutOff: func(t *testing.T) func() {
				srv.Stop()
				return func() {
					if err := srv.Restart(); err != nil {
						t.Fatal(err)
					}
				}
			},
		}
	})
}
