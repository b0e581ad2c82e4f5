package handlers

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/quorate/quorate/farm"
)

// rendering is a Site's resources as the REST API shows them, at one revision.
// It is immutable, and shares with the rendering before it what has not changed.
type rendering struct {
	picture   *farm.Picture
	site      []byte
	brokers   map[farm.BrokerID][]byte
	providers map[farm.ProviderID][]byte
}

// feeds keeps the latest renderings of each Site, so that many event streams
// cost little more than one. The zero value is ready.
type feeds struct {
	mu    sync.Mutex
	sites map[farm.SiteID][]*rendering // newest last
}

// kept is how many renderings of a Site are kept: streams that are up to date
// need two, those that lag a few more.
const kept = 4

// of returns the rendering of a picture.
func (f *feeds) of(p *farm.Picture) (*rendering, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := p.Site.Value.ID
	known := f.sites[id]
	for _, r := range known {
		if r.picture == p {
			return r, nil
		}
	}
	var before *rendering
	if len(known) > 0 {
		before = known[len(known)-1]
	}
	r, err := render(p, before)
	if err != nil || before != nil && before.picture.Revision >= p.Revision {
		return r, err
	}
	if f.sites == nil {
		f.sites = map[farm.SiteID][]*rendering{}
	}
	known = append(slices.Clone(known), r)
	f.sites[id] = known[max(0, len(known)-kept):]
	return r, nil
}

// forget drops what is kept of a Site that is no more.
func (f *feeds) forget(id farm.SiteID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sites, id)
}

// render renders a picture, taking over what cannot have changed since before.
func render(p *farm.Picture, before *rendering) (*rendering, error) {
	r := &rendering{picture: p, brokers: make(map[farm.BrokerID][]byte, len(p.Brokers)), providers: make(map[farm.ProviderID][]byte, len(p.Providers))}
	var err error
	if r.site, err = encode(siteOf(p)); err != nil {
		return nil, err
	}
	for id := range p.Brokers {
		if r.brokers[id], err = encode(brokerOf(p, id)); err != nil {
			return nil, err
		}
	}
	same := before != nil && samePlace(before.picture, p)
	for id := range p.Providers {
		if same && sameInputs(before.picture, p, id) {
			r.providers[id] = before.providers[id]
			continue
		}
		if r.providers[id], err = encode(providerOf(p, id)); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// samePlace reports whether all that the status of every Provider depends on is
// the same in two pictures of a Site. Pictures share the maps that have not
// changed; maps that were copied for nothing only cost time.
func samePlace(a, b *farm.Picture) bool {
	return a.Site.Revision == b.Site.Revision && a.Seats.Revision == b.Seats.Revision && a.Coordinator == b.Coordinator &&
		shared(a.Brokers, b.Brokers) && shared(a.Presence, b.Presence)
}

// sameInputs reports whether all that one Provider's status depends on besides
// is the same.
func sameInputs(a, b *farm.Picture, id farm.ProviderID) bool {
	return a.Providers[id].Revision == b.Providers[id].Revision && a.Owners[id].Revision == b.Owners[id].Revision &&
		a.Reports[id] == b.Reports[id] && shared(a.Hosts[id], b.Hosts[id])
}

func shared[K comparable, V any](a, b map[K]V) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() || len(a) == 0 && len(b) == 0
}

// gone is a resource that has been deleted.
type gone struct {
	ID      string `json:"id"`
	Deleted bool   `json:"deleted"`
}

// message is one message of an event stream.
type message struct {
	kind string // site, broker, provider, event
	data []byte
	// revision up to which a stream that ends with this message is complete.
	revision farm.Revision
}

// news is what has changed from one rendering to a later one, resources first,
// then events. Only the last message, and an event that is the last of its
// revision, move the revision on: a stream that breaks off in the middle is
// resumed where nothing is missed.
func news(from, to *rendering) ([]message, error) {
	var all []message
	add := func(kind string, data []byte) {
		all = append(all, message{kind: kind, data: data, revision: from.picture.Revision})
	}
	if !bytes.Equal(from.site, to.site) {
		add("site", to.site)
	}
	differences(from.brokers, to.brokers, func(data []byte) { add("broker", data) })
	differences(from.providers, to.providers, func(data []byte) { add("provider", data) })
	events := eventsAfter(to.picture, from.picture.Revision)
	for i, e := range events {
		data, err := encode(eventOf(e))
		if err != nil {
			return nil, err
		}
		add("event", data)
		if i+1 == len(events) || events[i+1].Revision > e.Revision {
			all[len(all)-1].revision = e.Revision
		} else {
			all[len(all)-1].revision = all[max(0, len(all)-2)].revision
		}
	}
	if len(all) > 0 {
		all[len(all)-1].revision = to.picture.Revision
	}
	return all, nil
}

// differences calls add for each resource that is new or changed, in order of
// id, and for each that is gone.
func differences[ID ~string](from, to map[ID][]byte, add func([]byte)) {
	for _, id := range slices.Sorted(maps.Keys(to)) {
		if !bytes.Equal(from[id], to[id]) {
			add(to[id])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(from)) {
		if _, there := to[id]; !there {
			data, _ := json.Marshal(gone{ID: string(id), Deleted: true}) // a string and a bool always encode
			add(data)
		}
	}
}
