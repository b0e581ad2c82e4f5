// Package mem is the Farm's memory in this process: for tests, simulation and
// trying things out. It keeps nothing when the process ends.
//
// It uses no wall clock to decide anything: leases are timers, so that it runs
// in a testing/synctest bubble. Register, Renew and the other methods of a
// Session act exactly as the contract says; there is no network in between.
package mem

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// historyKept is how many revisions At can look back.
const historyKept = 1000

var _ store.Store = (*Store)(nil)

// Store is one server's way to the memory. Another server gets its own with
// Another; the faults of one are not the faults of the other.
type Store struct {
	at *place
	m  *memory // the Farm it has met there

	key string // names its secret key

	mu   sync.Mutex
	down chan struct{} // not nil: cut off; closed when it is back
	seen *store.View   // what it saw last, while cut off
}

// place is where a memory is kept; another one can be put there.
type place struct {
	mu sync.Mutex
	m  *memory
}

// memory is what all servers share.
type memory struct {
	mu           sync.Mutex
	view         *store.View
	away         *store.View   // what was seen of it last, while another is in its place
	changed      chan struct{} // closed when view is replaced
	history      []*store.View // revisions without a gap, oldest first
	secrets      map[providerKey]string
	key          *string // the name of the Farm's secret key; nil: it has none yet
	lives        map[brokerKey]*session
	coordinators map[farm.SiteID]*session
}

type brokerKey struct {
	site   farm.SiteID
	broker farm.BrokerID
}

type providerKey struct {
	site     farm.SiteID
	provider farm.ProviderID
}

// New makes an empty memory and a server's way to it.
func New() *Store {
	m := newMemory()
	return &Store{at: &place{m: m}, m: m}
}

func newMemory() *memory {
	m := &memory{
		view:         store.NewDraft(nil, 1).View(),
		changed:      make(chan struct{}),
		secrets:      map[providerKey]string{},
		lives:        map[brokerKey]*session{},
		coordinators: map[farm.SiteID]*session{},
	}
	m.history = []*store.View{m.view}
	return m
}

// Another is another server's way to the memory that is there now.
func (s *Store) Another() *Store {
	s.at.mu.Lock()
	defer s.at.mu.Unlock()
	return &Store{at: s.at, m: s.at.m}
}

// AnotherWithKey is another server, whose secret key has a name of its own; that
// of all others is empty.
func (s *Store) AnotherWithKey(key string) *Store {
	other := s.Another()
	other.key = key
	return other
}

// Replace puts an empty memory in the place of this one, as an etcd that has
// lost its data, until back is called.
func (s *Store) Replace() (back func()) {
	s.at.mu.Lock()
	defer s.at.mu.Unlock()
	was := s.at.m
	was.leave()
	s.at.m = newMemory()
	return func() {
		s.at.mu.Lock()
		defer s.at.mu.Unlock()
		was.comeBack()
		s.at.m = was
	}
}

func (m *memory) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = m.view
}

// comeBack ends every life: what was done in its name may have been refused.
func (m *memory) comeBack() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = nil
	for _, l := range slices.Collect(maps.Values(m.lives)) {
		m.end(l)
	}
	m.write(func(*store.Draft) {}) // wakes who waits
}

// Down cuts this server off, or brings it back. While it is cut off its calls
// wait for their context, its View stays as it was, and its leases run out.
func (s *Store) Down(down bool) {
	v := s.m.latest()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case down && s.down == nil:
		s.down, s.seen = make(chan struct{}), v
	case !down && s.down != nil:
		close(s.down)
		s.down, s.seen = nil, nil
	}
}

// Expire ends a broker's presence as if its lease had run out just now. It
// reports whether the broker was present.
func (s *Store) Expire(site farm.SiteID, broker farm.BrokerID) bool {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	l := s.m.lives[brokerKey{site, broker}]
	if l != nil {
		s.m.end(l)
	}
	return l != nil
}

// Forget drops all history before the present revision, as a compaction does.
func (s *Store) Forget() {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.history = []*store.View{s.m.view}
}

// Run returns when ctx ends; the memory needs nobody to keep its View current.
func (s *Store) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Latest returns the newest View, or the last one before the server was cut off.
func (s *Store) Latest() *store.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen != nil {
		return s.seen
	}
	return s.m.latest()
}

func (s *Store) Current(ctx context.Context) (*store.View, error) {
	if err := s.reach(ctx); err != nil {
		return nil, err
	}
	return s.m.latest(), nil
}

func (s *Store) Wait(ctx context.Context, after farm.Revision) (*store.View, error) {
	for {
		v, changed, back := s.watch()
		if v.Revision > after {
			return v, nil
		}
		select {
		case <-changed:
		case <-back:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// watch returns what the server sees now, and what says that it may see more.
func (s *Store) watch() (v *store.View, changed, back <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return s.seen, nil, s.down
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.away != nil {
		return s.m.away, s.m.changed, nil
	}
	return s.m.view, s.m.changed, nil
}

// reach waits until the server is not cut off. It is ErrOtherFarm if it finds
// another memory than its own then.
func (s *Store) reach(ctx context.Context) error {
	for {
		s.mu.Lock()
		down := s.down
		s.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return ended(err, down != nil)
		}
		if down == nil {
			return s.m.here()
		}
		select {
		case <-down:
		case <-ctx.Done():
			return ended(ctx.Err(), true)
		}
	}
}

// here is ErrOtherFarm while another memory is in the place of this one.
func (m *memory) here() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return store.ErrOtherFarm
	}
	return nil
}

// ended is the error of a call whose context has ended.
func ended(err error, unanswered bool) error {
	if unanswered && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

func (s *Store) At(ctx context.Context, site farm.SiteID, at farm.Revision) (*farm.Picture, error) {
	if err := s.reach(ctx); err != nil {
		return nil, err
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	i := int(at - s.m.history[0].Revision)
	if i < 0 || i >= len(s.m.history) {
		return nil, fmt.Errorf("revision %d of Site %q: %w", at, site, store.ErrGone)
	}
	return s.m.history[i].Sites[site], nil
}

func (s *Store) Secret(ctx context.Context, site farm.SiteID, provider farm.ProviderID) (string, error) {
	if err := s.reach(ctx); err != nil {
		return "", err
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.m.secrets[providerKey{site, provider}], nil
}

func (s *Store) CheckSecretKey(ctx context.Context) error {
	if err := s.reach(ctx); err != nil {
		return err
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.key == nil {
		s.m.key = &s.key
	}
	if *s.m.key != s.key {
		return store.ErrSecretKey
	}
	return nil
}

func (s *Store) CreateRootToken(ctx context.Context, hash store.TokenHash, t store.Token) (bool, error) {
	if err := s.reach(ctx); err != nil {
		return false, err
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if len(s.m.view.Tokens) > 0 {
		return false, nil
	}
	t.CreatedAt = utc(t.CreatedAt)
	s.m.write(func(d *store.Draft) { d.PutToken(hash, t) })
	return true, nil
}

func (s *Store) Health(context.Context) store.Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := store.Health{
		Ready: true, Answers: s.down == nil, Current: s.down == nil, Version: "memory",
		Members: []store.Member{{Name: "memory", Healthy: s.down == nil, Leader: true}},
	}
	if s.down != nil {
		h.Problem = "This server is cut off from the memory."
	} else if s.m.here() != nil {
		h.Answers, h.Current, h.Problem = false, false, "Another memory is in the place of this server's."
	}
	return h
}

func (m *memory) latest() *store.View {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return m.away
	}
	return m.view
}

// write makes the next revision and shows it. The caller holds mu.
func (m *memory) write(change func(*store.Draft)) farm.Revision {
	d := store.NewDraft(m.view, m.view.Revision+1)
	change(d)
	m.view = d.View()
	m.history = append(m.history, m.view)
	if over := len(m.history) - historyKept; over > 0 {
		m.history = slices.Delete(m.history, 0, over)
	}
	close(m.changed)
	m.changed = make(chan struct{})
	return m.view.Revision
}

// stamped gives events their ID and revision.
func stamped(d *store.Draft, events []farm.Event) []farm.Event {
	out := slices.Clone(events)
	for i := range out {
		out[i].ID = fmt.Sprintf("%012d-%03d", d.Revision(), i)
		out[i].Revision = d.Revision()
		out[i].Time = utc(out[i].Time)
	}
	return out
}

// deleteSite removes a Site with everything in it. The caller holds mu.
func (m *memory) deleteSite(site farm.SiteID) {
	for key, l := range m.lives {
		if key.site == site {
			l.timer.Stop()
			delete(m.lives, key)
		}
	}
	delete(m.coordinators, site)
	maps.DeleteFunc(m.secrets, func(k providerKey, _ string) bool { return k.site == site })
	m.write(func(d *store.Draft) { d.DeleteSite(site) })
}

func utc(t time.Time) time.Time { return t.Round(0).UTC() }
