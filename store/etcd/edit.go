package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// Edit decides from the current picture and stores the change if nothing that
// was looked at has changed; else it decides again from what it is now.
func (s *Store) Edit(ctx context.Context, site farm.SiteID, decide func(*farm.Picture) (store.Change, error)) (*farm.Picture, error) {
	v, err := s.Current(ctx)
	for wait := time.Millisecond; ; wait = min(2*wait, 32*time.Millisecond) {
		if err != nil {
			return nil, fmt.Errorf("edit Site %q: %w", site, err)
		}
		p := v.Sites[site]
		c, refused := decide(p)
		if refused != nil {
			return nil, refused
		}
		if c, err = c.Against(site, p); err != nil || c.Empty() {
			return p, err
		}
		if c.Secret != nil && *c.Secret != "" {
			if err := s.mayUseKey(ctx); err != nil {
				return nil, fmt.Errorf("store secret: %w", err)
			}
		}
		t, err := s.edit(site, p, v.Revision, c)
		if err == nil {
			err = unreadIn(v, t)
		}
		if err != nil {
			return nil, fmt.Errorf("edit Site %q: %w", site, err)
		}
		o, err := s.commit(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("edit Site %q: %w", site, err)
		}
		if !o.stored {
			pause(ctx, wait)
		}
		v, err = s.reach(ctx, o.mark())
		if err != nil {
			return nil, fmt.Errorf("edit Site %q: %w", site, err)
		}
		if o.stored {
			return v.Sites[site], nil
		}
	}
}

// edit is the transaction that stores c if the Site is as p shows it at a revision.
func (s *Store) edit(site farm.SiteID, p *farm.Picture, at farm.Revision, c store.Change) (*txn, error) {
	t := &txn{}
	if p == nil {
		p = &farm.Picture{}
	} else {
		s.compareAll(t, site, p, at)
	}
	t.unchanged(s.keys.site(site), p.Site.Revision)
	for _, b := range c.PutBrokers {
		t.unchanged(s.keys.broker(site, b.ID), p.Brokers[b.ID].Revision)
	}
	if c.PutProvider != nil {
		t.unchanged(s.keys.provider(site, c.PutProvider.ID), p.Providers[c.PutProvider.ID].Revision)
	}
	if c.DeleteProvider != "" {
		t.unchanged(s.keys.provider(site, c.DeleteProvider), p.Providers[c.DeleteProvider].Revision)
	}
	if len(c.PutBrokers) > 0 || c.DeleteBroker != "" || c.DeleteSite {
		t.nothingNewer(s.keys.all(kindProvider, site), at)
	}
	if c.DeleteSite {
		s.deleteSite(t, site)
		return t, nil
	}
	return t, s.store(t, site, c)
}

// compareAll holds on to everything a rule may rest on: the Site, all brokers,
// who is present, and the seats. What is added or changed is noticed by its
// prefix, what is deleted by its key.
func (s *Store) compareAll(t *txn, site farm.SiteID, p *farm.Picture, at farm.Revision) {
	t.unchanged(s.keys.seats(site), p.Seats.Revision)
	t.nothingNewer(s.keys.all(kindBroker, site), at)
	for id, b := range p.Brokers {
		t.unchanged(s.keys.broker(site, id), b.Revision)
	}
	t.nothingNewer(s.keys.all(kindPresence, site), at)
	for id, here := range p.Presence {
		t.created(s.keys.presence(site, id), int64(here.Incarnation))
	}
}

func (s *Store) deleteSite(t *txn, site farm.SiteID) {
	for _, kind := range kindsOne() {
		t.delete(s.keys.one(kind, site))
	}
	for _, kind := range kindsMany() {
		t.deleteAll(s.keys.all(kind, site))
	}
}

func (s *Store) store(t *txn, site farm.SiteID, c store.Change) error {
	var errs []error
	put := func(key string, value []byte, err error) {
		errs = append(errs, err)
		t.put(key, value)
	}
	if c.PutSite != nil {
		value, err := encodeSite(*c.PutSite)
		put(s.keys.site(site), value, err)
	}
	for _, b := range c.PutBrokers {
		value, err := encodeBroker(b)
		put(s.keys.broker(site, b.ID), value, err)
	}
	if c.DeleteBroker != "" {
		t.delete(s.keys.broker(site, c.DeleteBroker))
	}
	if c.PutProvider != nil {
		value, err := encodeProvider(*c.PutProvider)
		put(s.keys.provider(site, c.PutProvider.ID), value, err)
		errs = append(errs, s.putSecret(t, site, c.PutProvider.ID, c.Secret))
	}
	if id := c.DeleteProvider; id != "" {
		t.delete(s.keys.provider(site, id))
		t.delete(s.keys.secret(site, id))
		t.delete(s.keys.report(site, id))
		t.deleteAll(s.keys.hosts(site, id))
	}
	errs = append(errs, s.putEvents(t, site, c.Events))
	return errors.Join(errs...)
}

func (s *Store) putSecret(t *txn, site farm.SiteID, provider farm.ProviderID, secret *string) error {
	if secret == nil {
		return nil
	}
	key := s.keys.secret(site, provider)
	if *secret == "" {
		t.delete(key)
		return nil
	}
	sealed, err := s.sealer.Seal([]byte(*secret), key)
	if err != nil {
		return err
	}
	value, err := encode(secretRecord{sealed})
	t.put(key, value)
	return err
}

// Secret reads and opens a Provider's secret.
func (s *Store) Secret(ctx context.Context, site farm.SiteID, provider farm.ProviderID) (string, error) {
	key := s.keys.secret(site, provider)
	resp, err := ask(ctx, "read secret", func(ctx context.Context) (*clientv3.GetResponse, error) {
		return s.client.Get(ctx, key)
	})
	if err == nil && len(resp.Kvs) == 0 {
		_, err = s.now(ctx) // another Farm's storage has none either
	}
	if err != nil || len(resp.Kvs) == 0 {
		return "", err
	}
	if err := s.mayUseKey(ctx); err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	return s.open(resp.Kvs[0])
}

func (s *Store) open(kv *mvccpb.KeyValue) (string, error) {
	if s.sealer == nil {
		return "", fmt.Errorf("read secret: %w", store.ErrSecretKey)
	}
	r, err := decode[secretRecord](kv.Value)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	secret, err := s.sealer.Open(r.Sealed, string(kv.Key))
	if err != nil {
		s.log.Debug("secret not opened", "key", string(kv.Key), "error", err)
		return "", fmt.Errorf("read secret: %w", store.ErrSecretKey)
	}
	return string(secret), nil
}

// putEvents adds events in their order. Their names sort about by time, and
// exactly by place among those of one transaction. Nobody else writes an event of
// the same name, so that it signs the transaction.
func (s *Store) putEvents(t *txn, site farm.SiteID, events []farm.Event) error {
	now, unique := time.Now().UnixMicro(), rand.Uint32()
	for i, e := range events {
		value, err := encodeEvent(e)
		if err != nil {
			return fmt.Errorf("event: %w", err)
		}
		t.signature = s.keys.event(site, fmt.Sprintf("%013x-%03x-%08x", now, i, unique))
		t.put(t.signature, value)
	}
	return nil
}

// CreateRootToken stores a token if there is none.
func (s *Store) CreateRootToken(ctx context.Context, hash store.TokenHash, token store.Token) (bool, error) {
	value, err := encodeToken(token)
	if err != nil {
		return false, fmt.Errorf("create root token: %w", err)
	}
	t := &txn{}
	t.nothingNewer(s.keys.tokens(), 0)
	t.put(s.keys.token(hash), value)
	o, err := s.commit(ctx, t)
	if err != nil {
		return false, fmt.Errorf("create root token: %w", err)
	}
	s.settle(ctx, o.revision)
	return o.stored, nil
}
