package etcd

import (
	"context"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// ReplaceTokens makes one token the Farm's only one, in one transaction: at no
// moment is there none, and with the new one the old ones are gone. It returns how
// many went. ErrConflict if somebody else changes the tokens meanwhile. To run it
// again with the same token does no harm.
func (s *Store) ReplaceTokens(ctx context.Context, hash store.TokenHash, token store.Token) (gone int, err error) {
	if gone, err = s.replaceTokens(ctx, hash, token); err != nil {
		return 0, fmt.Errorf("replace the tokens: %w", err)
	}
	return gone, nil
}

func (s *Store) replaceTokens(ctx context.Context, hash store.TokenHash, token store.Token) (gone int, err error) {
	value, err := encodeToken(token)
	if err != nil {
		return 0, err
	}
	var t txn
	mine, there := s.keys.token(hash), false
	at, err := s.scan(ctx, s.keys.tokens(), 0, func(_ int64, kvs []*mvccpb.KeyValue) error {
		for _, kv := range kvs {
			t.unchanged(string(kv.Key), farm.Revision(kv.ModRevision))
			if string(kv.Key) == mine {
				there = true
				continue
			}
			t.delete(string(kv.Key))
			gone++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if there && gone == 0 {
		return 0, nil
	}
	t.nothingNewer(s.keys.tokens(), at.revision)
	if !there {
		t.put(mine, value)
	}
	o, err := s.commit(ctx, &t)
	if err != nil {
		return 0, err
	}
	s.settle(ctx, o.revision)
	if !o.stored {
		return 0, store.ErrConflict
	}
	return gone, nil
}
