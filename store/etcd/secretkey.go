package etcd

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// proof is what the first server with a secret key seals, for others to open.
const proof = "quorate"

// CheckSecretKey opens what the first server has sealed, or is the first. It also
// opens a secret, if there is any: a key that was dropped too early may have sealed
// them all, and the proof be of another.
func (s *Store) CheckSecretKey(ctx context.Context) error {
	if err := s.checkSecretKey(ctx); err != nil {
		return fmt.Errorf("check the secret key: %w", err)
	}
	return nil
}

func (s *Store) checkSecretKey(ctx context.Context) error {
	for {
		sealed, err := s.proofStored(ctx)
		if err != nil {
			return err
		}
		if sealed != nil {
			if _, err := s.open(sealed); err != nil {
				return err
			}
		}
		if err := s.opensAny(ctx); err != nil {
			return err
		}
		if s.sealer == nil {
			return nil // nobody has sealed anything
		}
		proven := sealed != nil || s.visit // whose key is the Farm's is for servers to say
		if !proven {
			proven, err = s.prove(ctx)
		}
		if proven || err != nil {
			s.keyed.Store(proven)
			return err
		}
	}
}

// mayUseKey is nil once this server's key is known to be the Farm's. Until then
// nothing is sealed with it: nobody else might be able to open that.
func (s *Store) mayUseKey(ctx context.Context) error {
	switch {
	case s.sealer == nil:
		return store.ErrSecretKey
	case s.keyed.Load():
		return nil
	}
	return s.CheckSecretKey(ctx)
}

func (s *Store) proofStored(ctx context.Context) (*mvccpb.KeyValue, error) {
	resp, err := ask(ctx, "read the proof", func(ctx context.Context) (*clientv3.GetResponse, error) {
		return s.client.Get(ctx, s.keys.proof())
	})
	if err != nil || len(resp.Kvs) == 0 {
		return nil, err
	}
	return resp.Kvs[0], nil
}

// prove stores the proof where there is none. It is not done if another server was
// faster. A server never renews it: while a rotation is under way servers differ in
// their primary key, and one with the old one must not put the proof back to it.
func (s *Store) prove(ctx context.Context) (done bool, err error) {
	return s.sealAt(ctx, s.keys.proof(), proof, 0)
}

// sealAt stores what the primary key seals, if the key in etcd is as it was at a
// revision; 0: not there.
func (s *Store) sealAt(ctx context.Context, key, text string, at int64) (stored bool, err error) {
	sealed, err := s.sealer.Seal([]byte(text), key)
	if err != nil {
		return false, err
	}
	value, err := encode(secretRecord{sealed})
	if err != nil {
		return false, err
	}
	var t txn
	t.unchanged(key, farm.Revision(at))
	t.put(key, value)
	o, err := s.commit(ctx, &t)
	return o.stored, err
}

// opensAny refuses a key that opens no secret, if there are any. One that cannot
// be opened beside others that can is its Provider's trouble, not the Farm's.
func (s *Store) opensAny(ctx context.Context) error {
	opened, refused := false, error(nil)
	_, err := s.scan(ctx, s.keys.prefix+kindSecret+"/", 0, func(_ int64, kvs []*mvccpb.KeyValue) error {
		for _, kv := range kvs {
			_, err := s.open(kv)
			opened = opened || err == nil
			refused = errors.Join(refused, err)
		}
		return nil
	})
	if err != nil || opened || refused == nil {
		return err
	}
	return store.ErrSecretKey
}
