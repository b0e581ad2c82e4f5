package store

import (
	"maps"
	"slices"

	"github.com/quorate/quorate/farm"
)

// known is what a View knows of one Site: its picture, which is not shown in
// View.Sites while the Site itself is not stored (a broker may be present in a
// Site that is yet to be created), and its events with room to append.
type known struct {
	picture *farm.Picture
	events  []farm.Event
}

// Picture returns what the View knows of a Site, even if the Site itself is
// not stored; nil if nothing at all.
func (v *View) Picture(site farm.SiteID) *farm.Picture { return v.known[site].picture }

// Known lists the Sites that the View knows anything of, see Picture, in order.
func (v *View) Known() []farm.SiteID { return slices.Sorted(maps.Keys(v.known)) }

// Present names the brokers that are present, as site/broker, also in Sites that
// are not stored.
func (v *View) Present() []string {
	var names []string
	for site, is := range v.known {
		for id := range is.picture.Presence {
			names = append(names, string(site)+"/"+string(id))
		}
	}
	slices.Sort(names)
	return names
}

// Copied is how many Hosts were copied to make this View of the one before: what
// it costs, in memory, to keep both.
func (v *View) Copied() int { return v.copied }

// Draft makes the next View from the one before it, copying only what changes;
// for implementations of Store. A View has at most one Draft that is used.
type Draft struct {
	revision farm.Revision
	before   *View
	sites    map[farm.SiteID]*SiteDraft
	tokens   map[TokenHash]Token // nil: unchanged
	floor    farm.Epoch

	unread []Unread // in order; shared with the View before until it changes
}

// NewDraft starts a View at a revision, from the View before it; nil: from nothing.
func NewDraft(before *View, revision farm.Revision) *Draft {
	if before == nil {
		before = &View{}
	}
	return &Draft{
		revision: revision,
		before:   before,
		floor:    before.EpochFloor,

		unread: before.unread,
		sites:  map[farm.SiteID]*SiteDraft{},
	}
}

// Revision is the revision of the View in the making.
func (d *Draft) Revision() farm.Revision { return d.revision }

// PutToken adds a token.
func (d *Draft) PutToken(h TokenHash, t Token) { d.ownTokens()[h] = t }

// DeleteToken removes a token.
func (d *Draft) DeleteToken(h TokenHash) { delete(d.ownTokens(), h) }

// SetEpochFloor says what the first epoch of every Provider is above.
func (d *Draft) SetEpochFloor(e farm.Epoch) { d.floor = e }

// HasTokens reports whether there is any token.
func (d *Draft) HasTokens() bool {
	if d.tokens != nil {
		return len(d.tokens) > 0
	}
	return len(d.before.Tokens) > 0
}

func (d *Draft) ownTokens() map[TokenHash]Token {
	if d.tokens == nil {
		d.tokens = cloned(d.before.Tokens)
	}
	return d.tokens
}

// Site returns the draft of one Site.
func (d *Draft) Site(id farm.SiteID) *SiteDraft {
	if s := d.sites[id]; s != nil {
		return s
	}
	was := d.before.known[id]
	s := &SiteDraft{revision: d.revision, events: was.events}
	if was.picture != nil {
		s.p = *was.picture
	}
	d.sites[id] = s
	return s
}

// DeleteSite removes a Site and everything in it.
func (d *Draft) DeleteSite(id farm.SiteID) {
	d.sites[id] = &SiteDraft{revision: d.revision}
}

// View is the finished View. The Draft must not be used after it.
func (d *Draft) View() *View {
	v := &View{
		Revision: d.revision,
		Tokens:   d.before.Tokens,
		known:    make(map[farm.SiteID]known, len(d.before.known)+1),
		Sites:    make(map[farm.SiteID]*farm.Picture, len(d.before.Sites)+1),

		EpochFloor: d.floor,
		unread:     d.unread,
	}
	if d.tokens != nil {
		v.Tokens = d.tokens
	}
	for _, u := range d.unread {
		v.Unreadable = append(v.Unreadable, u.Key)
	}
	for id, was := range d.before.known {
		if _, changed := d.sites[id]; !changed {
			p := *was.picture
			v.add(id, &p, was.events)
		}
	}
	for id, s := range d.sites {
		s.vacate()
		if !s.empty() {
			s.p.Events = s.events[:len(s.events):len(s.events)]
			v.add(id, &s.p, s.events)
		}
		v.copied += s.copied
	}
	return v
}

func (v *View) add(id farm.SiteID, p *farm.Picture, events []farm.Event) {
	p.Revision, p.EpochFloor, p.Unreadable = v.Revision, v.EpochFloor, v.unreadIn(id)
	v.known[id] = known{picture: p, events: events}
	if p.Site.Revision != 0 {
		v.Sites[id] = p
	}
}

// SiteDraft is the next Picture of one Site.
type SiteDraft struct {
	revision farm.Revision
	p        farm.Picture
	events   []farm.Event

	brokers, providers, presence, owners, reports, hosts bool // already copied
	inventories                                          map[farm.ProviderID]bool
	copied                                               int // Hosts
}

func (s *SiteDraft) empty() bool {
	p := &s.p
	return p.Site.Revision == 0 && p.Seats.Revision == 0 && p.Coordinator.Term == 0 &&
		len(p.Brokers)+len(p.Providers)+len(p.Presence)+len(p.Owners)+len(p.Reports)+len(p.Hosts)+len(s.events) == 0
}

// PutSite stores the Site's configuration.
func (s *SiteDraft) PutSite(v farm.Site, at farm.Revision) {
	s.p.Site = farm.Stored[farm.Site]{Value: v, Revision: at}
}

// DeleteSite removes the Site's configuration and nothing else.
func (s *SiteDraft) DeleteSite() { s.p.Site = farm.Stored[farm.Site]{} }

// PutBroker stores a broker's configuration.
func (s *SiteDraft) PutBroker(v farm.Broker, at farm.Revision) {
	own(&s.p.Brokers, &s.brokers)[v.ID] = farm.Stored[farm.Broker]{Value: v, Revision: at}
}

// DeleteBroker removes a broker's configuration.
func (s *SiteDraft) DeleteBroker(id farm.BrokerID) { remove(&s.p.Brokers, &s.brokers, id) }

// PutProvider stores a Provider's configuration.
func (s *SiteDraft) PutProvider(v farm.Provider, at farm.Revision) {
	own(&s.p.Providers, &s.providers)[v.ID] = farm.Stored[farm.Provider]{Value: v, Revision: at}
}

// DeleteProvider removes a Provider's configuration and nothing else.
func (s *SiteDraft) DeleteProvider(id farm.ProviderID) { remove(&s.p.Providers, &s.providers, id) }

// PutPresence stores a presence.
func (s *SiteDraft) PutPresence(v farm.Presence) {
	own(&s.p.Presence, &s.presence)[v.Broker] = v
}

// DeletePresence removes a presence.
func (s *SiteDraft) DeletePresence(id farm.BrokerID) { remove(&s.p.Presence, &s.presence, id) }

// SetCoordinator says who the coordinator is; the zero value: nobody.
func (s *SiteDraft) SetCoordinator(c farm.Coordinator) { s.p.Coordinator = c }

// vacate: a coordinator that no presence is older than is nobody. Its key is left
// over, as one is that was stored by hand, without the lease of a session.
func (s *SiteDraft) vacate() {
	c := s.p.Coordinator
	if here, ok := s.p.Presence[c.Broker]; !ok || farm.Revision(here.Incarnation) > c.Term {
		s.p.Coordinator = farm.Coordinator{}
	}
}

// PutSeats stores the verdict.
func (s *SiteDraft) PutSeats(v farm.Seats, at farm.Revision) {
	s.p.Seats = farm.Stored[farm.Seats]{Value: v, Revision: at}
}

// DeleteSeats removes the verdict.
func (s *SiteDraft) DeleteSeats() { s.p.Seats = farm.Stored[farm.Seats]{} }

// PutOwner stores an ownership record.
func (s *SiteDraft) PutOwner(id farm.ProviderID, v farm.Ownership, at farm.Revision) {
	own(&s.p.Owners, &s.owners)[id] = farm.Stored[farm.Ownership]{Value: v, Revision: at}
}

// DeleteOwner removes an ownership record.
func (s *SiteDraft) DeleteOwner(id farm.ProviderID) { remove(&s.p.Owners, &s.owners, id) }

// PutReport stores an agent's report.
func (s *SiteDraft) PutReport(id farm.ProviderID, v farm.Report) {
	own(&s.p.Reports, &s.reports)[id] = v
}

// DeleteReport removes an agent's report.
func (s *SiteDraft) DeleteReport(id farm.ProviderID) { remove(&s.p.Reports, &s.reports, id) }

// PutHost stores a Host.
func (s *SiteDraft) PutHost(id farm.ProviderID, h farm.Host) { s.inventory(id)[h.ID] = h }

// DeleteHost removes a Host.
func (s *SiteDraft) DeleteHost(id farm.ProviderID, host farm.HostID) {
	if _, there := s.p.Hosts[id][host]; !there {
		return
	}
	delete(s.inventory(id), host)
	if len(s.p.Hosts[id]) == 0 {
		s.DeleteHosts(id)
	}
}

// DeleteHosts removes all Hosts of a Provider.
func (s *SiteDraft) DeleteHosts(id farm.ProviderID) {
	remove(&s.p.Hosts, &s.hosts, id)
	delete(s.inventories, id)
}

func (s *SiteDraft) inventory(id farm.ProviderID) map[farm.HostID]farm.Host {
	all := own(&s.p.Hosts, &s.hosts)
	if !s.inventories[id] {
		s.copied += len(all[id])
		all[id] = cloned(all[id])
		if s.inventories == nil {
			s.inventories = map[farm.ProviderID]bool{}
		}
		s.inventories[id] = true
	}
	return all[id]
}

// AddEvents appends events, which must be newer than those that are there; the
// oldest fall out above EventsInView.
func (s *SiteDraft) AddEvents(events ...farm.Event) {
	s.events = append(s.events, events...)
	if over := len(s.events) - EventsInView; over > 0 {
		s.events = s.events[over:]
	}
}

// DeleteEvents removes the events that match.
func (s *SiteDraft) DeleteEvents(match func(farm.Event) bool) {
	s.events = slices.DeleteFunc(slices.Clone(s.events), match)
}

// own returns the map, copied if this draft has not copied it yet.
func own[K comparable, V any](m *map[K]V, done *bool) map[K]V {
	if !*done {
		*m, *done = cloned(*m), true
	}
	return *m
}

func remove[K comparable, V any](m *map[K]V, done *bool, key K) {
	if _, there := (*m)[key]; there {
		delete(own(m, done), key)
	}
}

func cloned[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}
