package etcd

import (
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// spoilt is a key whose value cannot be read.
type spoilt struct {
	key parsed
	kv  *mvccpb.KeyValue
	err error
}

// unread takes in what cannot be read: as it was in the last View, at the revision
// of what is there now, so that who knows it may store it again.
func (a *assembly) unread(c spoilt) {
	key := string(c.kv.Key)
	u := store.Unread{Key: key, Site: c.key.site, What: unreadKind(c.key.kind)}
	switch c.key.kind {
	case kindProvider, kindOwner:
		u.Provider = farm.ProviderID(c.key.name)
	}
	u.Known = a.asBefore(c.key, c.kv)
	if !u.Known {
		a.remove(c.key)
	}
	a.draft.SetUnreadable(u)
	a.log.Error("stored value cannot be read", "key", key, "error", c.err, "known", u.Known)
}

func unreadKind(kind string) store.UnreadKind {
	switch kind {
	case kindSite, kindBroker, kindProvider:
		return store.UnreadConfig
	case kindSeats:
		return store.UnreadSeats
	case kindOwner:
		return store.UnreadOwner
	case kindEpochs:
		return store.UnreadFloor
	}
	return store.UnreadOther
}

// asBefore puts what the last View has; false: nothing that may be relied on.
func (a *assembly) asBefore(k parsed, kv *mvccpb.KeyValue) bool {
	was, unread := a.last.Unread(string(kv.Key))
	blind := unread && !was.Known
	switch k.kind {
	case kindEpochs: // one that was missed may have been higher
		known := a.last.Revision > 0 && !blind && (a.watched || unread)
		if known {
			a.draft.SetEpochFloor(a.last.EpochFloor)
		}
		return known
	case kindToken:
		token, known := a.last.Tokens[store.TokenHash(k.name)]
		if known {
			a.draft.PutToken(store.TokenHash(k.name), token)
		}
		return known
	}
	p := a.last.Picture(k.site)
	if p == nil {
		p = &farm.Picture{}
	}
	return a.asBeforeIn(p, k, kv, a.watched && !blind)
}

// asBeforeIn does so for what is of one Site. Followed: there was nothing in between
// that was not seen.
func (a *assembly) asBeforeIn(was *farm.Picture, k parsed, kv *mvccpb.KeyValue, followed bool) bool {
	s, at := a.draft.Site(k.site), farm.Revision(kv.ModRevision)
	switch k.kind {
	case kindSite:
		return again(was.Site, func(v farm.Site) { s.PutSite(v, at) })
	case kindBroker:
		return again(was.Brokers[farm.BrokerID(k.name)], func(v farm.Broker) { s.PutBroker(v, at) })
	case kindProvider:
		return again(was.Providers[farm.ProviderID(k.name)], func(v farm.Provider) { s.PutProvider(v, at) })
	case kindSeats:
		if !followed && was.Seats.Revision == 0 {
			return false
		}
		s.PutSeats(was.Seats.Value, at)
		return true
	case kindOwner: // one that was missed may have had a higher epoch
		o := was.Owners[farm.ProviderID(k.name)]
		return (followed || o.Revision == at) && again(o, func(v farm.Ownership) { s.PutOwner(farm.ProviderID(k.name), v, at) })
	case kindPresence: // whose life it is, and which, does not lie in the value
		here := was.Presence[farm.BrokerID(k.name)]
		known := here.Incarnation == farm.Incarnation(kv.CreateRevision)
		if !known {
			here = farm.Presence{Broker: farm.BrokerID(k.name), Incarnation: farm.Incarnation(kv.CreateRevision)}
		}
		s.PutPresence(here)
		return true
	case kindCoordinator:
		c := was.Coordinator
		if c.Broker == "" || c.Term != farm.Revision(kv.CreateRevision) {
			return false
		}
		s.SetCoordinator(c)
		return true
	}
	return false
}

func again[T any](was farm.Stored[T], put func(T)) bool {
	if was.Revision == 0 {
		return false
	}
	put(was.Value)
	return true
}

// unreadIn is ErrUnreadable if a transaction would replace, or rests on, what
// cannot be read and is not known.
func unreadIn(v *store.View, t *txn) error {
	for c := range t.seen {
		if u, unread := v.Unread(c.key); unread && !u.Known {
			return fmt.Errorf("%w: %s", store.ErrUnreadable, u.Key)
		}
	}
	return nil
}
