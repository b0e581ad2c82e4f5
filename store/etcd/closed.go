package etcd

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// closed are the secrets that this server's key does not open: they would be
// noticed only when their Providers come to it. Without a key there are none, for
// a broker without one does not serve a Farm that has one.
type closed struct {
	mu   sync.Mutex
	keys map[string]bool
}

// replace forgets what was there before.
func (c *closed) replace(keys map[string]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = keys
}

// set says of a secret whether it is closed, and whether that is new.
func (c *closed) set(key string, is bool) (news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	news = is && !c.keys[key]
	switch {
	case !is:
		delete(c.keys, key)
	case c.keys == nil:
		c.keys = map[string]bool{key: true}
	default:
		c.keys[key] = true
	}
	return news
}

// problem is a sentence for people; empty if all is open.
func (c *closed) problem(prefix string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.keys) == 0 {
		return ""
	}
	first := strings.TrimPrefix(slices.Sorted(maps.Keys(c.keys))[0], prefix+kindSecret+"/")
	what := "the stored password of Provider " + first
	if n := len(c.keys); n > 1 {
		what = fmt.Sprintf("%d stored passwords, such as that of Provider %s", n, first)
	}
	return "This server's secret key does not open " + what + ": it could not connect. Give it the Farm's key (--secret-key-file), as the other servers have it, and restart it."
}

// isSecret reports whether a key is of a secret of ours.
func (s *Store) isSecret(key string) bool {
	k, ours := s.keys.parse(key)
	return ours && k.kind == kindSecret
}

// opens reports whether this server can use a secret; one without a key is not asked.
func (s *Store) opens(kv *mvccpb.KeyValue) bool {
	if s.sealer == nil {
		return true
	}
	_, err := s.open(kv)
	return err == nil
}

// noteSecret takes in what somebody has stored.
func (s *Store) noteSecret(kv *mvccpb.KeyValue) {
	if s.isSecret(string(kv.Key)) && s.closed.set(string(kv.Key), !s.opens(kv)) {
		s.log.Warn("a password was stored that this server's secret key does not open", "key", string(kv.Key))
	}
}
