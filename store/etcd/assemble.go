package etcd

import (
	"cmp"
	"log/slog"
	"slices"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// assembly makes a View of keys and values. What cannot be read is logged, and is
// what it was in the last View: one bad value must not hide a whole Farm, nor be
// taken for a deletion. What this server has never read is left out. It cannot be
// overwritten then, for nobody knows what it replaces.
type assembly struct {
	keys  keys
	log   *slog.Logger
	draft *store.Draft

	last    *store.View // of this server, in this turn of history
	watched bool        // there is nothing between the last View and this one
	spoilt  []spoilt

	added   map[farm.SiteID][]farm.Event
	removed map[farm.SiteID]map[string]bool
}

func (s *Store) assemble(before *store.View, at int64) *assembly {
	last := before
	if last == nil {
		last = &store.View{}
	}
	return &assembly{
		keys: s.keys, log: s.log, draft: store.NewDraft(before, farm.Revision(at)), last: last, watched: before != nil,
		added: map[farm.SiteID][]farm.Event{}, removed: map[farm.SiteID]map[string]bool{},
	}
}

// view finishes the View.
func (a *assembly) view() *store.View {
	for _, c := range a.spoilt {
		a.unread(c)
	}
	for site, ids := range a.removed {
		a.draft.Site(site).DeleteEvents(func(e farm.Event) bool { return ids[e.ID] })
	}
	for site, events := range a.added {
		slices.SortFunc(events, inOrder)
		a.draft.Site(site).AddEvents(events...)
	}
	return a.draft.View()
}

// inOrder is the order of events: by revision, then as they were written.
func inOrder(a, b farm.Event) int {
	return cmp.Or(cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.ID, b.ID))
}

// put takes in a key with its value.
func (a *assembly) put(kv *mvccpb.KeyValue) {
	k, ok := a.keys.parse(string(kv.Key))
	if !ok {
		return
	}
	if err := a.read(k, kv); err != nil {
		a.spoilt = append(a.spoilt, spoilt{k, kv, err})
		return
	}
	a.draft.SetReadable(string(kv.Key))
}

func (a *assembly) read(k parsed, kv *mvccpb.KeyValue) error {
	if k.kind == kindToken {
		return take(func(v store.Token) { a.draft.PutToken(store.TokenHash(k.name), v) })(decodeToken(kv.Value))
	}
	if k.kind == kindEpochs {
		return take(func(v epochsRecord) { a.draft.SetEpochFloor(farm.Epoch(v.Floor)) })(decode[epochsRecord](kv.Value))
	}
	s, at := a.draft.Site(k.site), farm.Revision(kv.ModRevision)
	switch k.kind {
	case kindSite:
		return take(func(v farm.Site) { s.PutSite(v, at) })(decodeSite(k.site, kv.Value))
	case kindBroker:
		return take(func(v farm.Broker) { s.PutBroker(v, at) })(decodeBroker(farm.BrokerID(k.name), kv.Value))
	case kindProvider:
		return take(func(v farm.Provider) { s.PutProvider(v, at) })(decodeProvider(farm.ProviderID(k.name), kv.Value))
	case kindPresence:
		return take(s.PutPresence)(decodePresence(farm.BrokerID(k.name), kv.CreateRevision, kv.Value))
	case kindCoordinator:
		return take(func(v coordinatorRecord) {
			s.SetCoordinator(farm.Coordinator{Broker: v.Broker, Term: farm.Revision(kv.CreateRevision)})
		})(decode[coordinatorRecord](kv.Value))
	case kindSeats:
		return take(func(v farm.Seats) { s.PutSeats(v, at) })(decodeSeats(kv.Value))
	case kindOwner:
		return take(func(v farm.Ownership) { s.PutOwner(farm.ProviderID(k.name), v, at) })(decodeOwner(kv.Value))
	case kindReport:
		return take(func(v farm.Report) { s.PutReport(farm.ProviderID(k.name), v) })(decodeReport(kv.Value))
	case kindHost:
		return take(func(v farm.Host) { s.PutHost(farm.ProviderID(k.name), v) })(decodeHost(k.host, kv.Value))
	case kindEvent:
		return take(func(v farm.Event) { a.added[k.site] = append(a.added[k.site], v) })(decodeEvent(k.name, kv.CreateRevision, kv.Value))
	}
	return nil // secrets, and what other versions may keep
}

func take[T any](put func(T)) func(T, error) error {
	return func(v T, err error) error {
		if err == nil {
			put(v)
		}
		return err
	}
}

// del takes in that a key is gone.
func (a *assembly) del(key string) {
	if k, ok := a.keys.parse(key); ok {
		a.draft.SetReadable(key)
		a.remove(k)
	}
}

func (a *assembly) remove(k parsed) {
	if k.kind == kindToken {
		a.draft.DeleteToken(store.TokenHash(k.name))
		return
	}
	if k.kind == kindEpochs {
		a.draft.SetEpochFloor(0)
		return
	}
	s := a.draft.Site(k.site)
	switch k.kind {
	case kindSite:
		s.DeleteSite()
	case kindBroker:
		s.DeleteBroker(farm.BrokerID(k.name))
	case kindProvider:
		s.DeleteProvider(farm.ProviderID(k.name))
	case kindPresence:
		s.DeletePresence(farm.BrokerID(k.name))
	case kindCoordinator:
		s.SetCoordinator(farm.Coordinator{})
	case kindSeats:
		s.DeleteSeats()
	case kindOwner:
		s.DeleteOwner(farm.ProviderID(k.name))
	case kindReport:
		s.DeleteReport(farm.ProviderID(k.name))
	case kindHost:
		s.DeleteHost(farm.ProviderID(k.name), k.host)
	case kindEvent:
		if a.removed[k.site] == nil {
			a.removed[k.site] = map[string]bool{}
		}
		a.removed[k.site][k.name] = true
	}
}
