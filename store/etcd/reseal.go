package etcd

import (
	"context"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/store"
)

// Resealed says what Reseal has done.
type Resealed struct {
	Key     uint32   // the ID of the primary key
	Secrets int      // that there are
	Anew    int      // of them, sealed anew
	Proof   bool     // it was sealed anew
	Left    []string // keys of secrets without a Provider, which no key opens
}

// Reseal seals every secret anew with the primary key, and then the proof of the
// key, so that nothing needs the other keys any more. Servers may run meanwhile:
// what they write in between is kept, and looked at again. It is ErrSecretKey, and
// nothing is changed, if there is something that no key opens. To run it again does
// no harm.
func (s *Store) Reseal(ctx context.Context) (Resealed, error) {
	done, err := s.reseal(ctx)
	if err != nil {
		return done, fmt.Errorf("seal anew: %w", err)
	}
	return done, nil
}

func (s *Store) reseal(ctx context.Context) (done Resealed, err error) {
	if s.sealer == nil {
		return done, store.ErrSecretKey
	}
	done.Key = s.sealer.PrimaryID()
	for {
		secrets, err := s.secretRecords(ctx)
		if err != nil {
			return done, err
		}
		if secrets, done.Left, err = s.withoutLeft(ctx, secrets); err != nil {
			return done, err
		}
		done.Secrets = len(secrets)
		stale, err := s.stale(secrets)
		if err != nil {
			return done, err
		}
		for _, kv := range stale {
			stored, err := s.sealAnew(ctx, kv)
			if err != nil {
				return done, err
			}
			if stored {
				done.Anew++
			}
		}
		if len(stale) > 0 {
			continue // somebody may have written meanwhile
		}
		stored, again, err := s.resealProof(ctx)
		done.Proof = done.Proof || stored
		if err != nil || !again {
			return done, err
		}
	}
}

// SecretKeys is how many keys this server has.
func (s *Store) SecretKeys() int {
	if s.sealer == nil {
		return 0
	}
	return len(s.sealer.Keys())
}

// secretRecords lists all secrets, sealed.
func (s *Store) secretRecords(ctx context.Context) (all []*mvccpb.KeyValue, err error) {
	_, err = s.scan(ctx, s.keys.prefix+kindSecret+"/", 0, func(_ int64, kvs []*mvccpb.KeyValue) error {
		for _, kv := range kvs {
			if _, ours := s.keys.parse(string(kv.Key)); ours {
				all = append(all, kv)
			}
		}
		return nil
	})
	return all, err
}

// withoutLeft takes out what nobody needs: a secret that does not open, and whose
// Provider is not there.
func (s *Store) withoutLeft(ctx context.Context, secrets []*mvccpb.KeyValue) (needed []*mvccpb.KeyValue, left []string, err error) {
	for _, kv := range secrets {
		if _, closed := s.open(kv); closed != nil {
			provider := s.keys.prefix + kindProvider + strings.TrimPrefix(string(kv.Key), s.keys.prefix+kindSecret)
			resp, err := ask(ctx, "read "+provider, func(ctx context.Context) (*clientv3.GetResponse, error) {
				return s.client.Get(ctx, provider, clientv3.WithCountOnly())
			})
			if err != nil {
				return nil, nil, err
			}
			if resp.Count == 0 {
				left = append(left, string(kv.Key))
				continue
			}
		}
		needed = append(needed, kv)
	}
	return needed, left, nil
}

// stale lists what another key than the primary one has sealed.
func (s *Store) stale(sealed []*mvccpb.KeyValue) (all []*mvccpb.KeyValue, err error) {
	var closed []string
	for _, kv := range sealed {
		if _, err := s.open(kv); err != nil {
			closed = append(closed, strings.TrimPrefix(string(kv.Key), s.keys.prefix))
		} else if r, err := decode[secretRecord](kv.Value); err == nil && !s.sealer.Primary(r.Sealed) {
			all = append(all, kv)
		}
	}
	if len(closed) > 0 {
		return nil, fmt.Errorf("%w: it cannot open %s", store.ErrSecretKey, strings.Join(closed, ", "))
	}
	return all, nil
}

// sealAnew is not done if the secret has changed meanwhile.
func (s *Store) sealAnew(ctx context.Context, kv *mvccpb.KeyValue) (done bool, err error) {
	text, err := s.open(kv)
	if err != nil {
		return false, err
	}
	return s.sealAt(ctx, string(kv.Key), text, kv.ModRevision)
}

// resealProof also says whether the proof had to be sealed anew: then it is looked
// at again, and so is what was stored before it.
func (s *Store) resealProof(ctx context.Context) (stored, again bool, err error) {
	kv, err := s.proofStored(ctx)
	if err != nil || kv == nil {
		return false, false, err
	}
	stale, err := s.stale([]*mvccpb.KeyValue{kv})
	if err != nil || len(stale) == 0 {
		return false, false, err
	}
	stored, err = s.sealAnew(ctx, kv)
	return stored, true, err
}
