// Package store is the contract with storage: configuration, presence, the
// coordinator's term, ownership and events. What is said here holds for every
// implementation; store/storetest holds them to it.
//
// All methods are safe for concurrent use. A call that storage does not answer
// within its context ends with ErrUnavailable (wrapping the cause); one whose
// context is cancelled, with that error. A write that ends so may have been
// stored or not. A write that is done is visible in Latest, unless the View
// lags for long.
//
// The first storage that a Store meets is its Farm's; an empty one becomes a new
// Farm. If it later finds another one in that place, or an empty one, every call
// that needs storage ends with ErrOtherFarm and every session is lost, until the
// Farm is back; Latest stays as it was. A Farm that was put back to an earlier
// state is the same Farm: sessions are lost, and Views go back once, or leap ahead.
// Nobody registers again before the lives have ended that went on without knowing.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/quorate/quorate/farm"
)

var (
	// ErrUnavailable: storage does not answer now; the same call may succeed later.
	ErrUnavailable = errors.New("storage does not answer")
	// ErrConflict: something the call relied on has changed; look again.
	ErrConflict = errors.New("changed meanwhile")
	// ErrGone: that revision is no longer kept.
	ErrGone = errors.New("revision is no longer kept")
	// ErrLost: this session's presence is gone, for good.
	ErrLost = errors.New("presence is lost")
	// ErrDeposed: another coordinator has been elected.
	ErrDeposed = errors.New("no longer the coordinator")
	// ErrFenced: the ownership has changed; the writer is not the owner any more.
	ErrFenced = errors.New("no longer the owner")
	// ErrFull: storage takes no writes because it has no space left.
	ErrFull = errors.New("storage is full")
	// ErrSecretKey: this server has no secret key, or not the Farm's.
	ErrSecretKey = errors.New("this server does not have the Farm's secret key")
	// ErrFormat: what is stored was written by a newer version.
	ErrFormat = errors.New("stored format is not supported")
	// ErrUnreadable: something that is stored cannot be read; see View.Whole.
	ErrUnreadable = errors.New("what is stored cannot be read")
	// ErrNoFarm: there is no Farm where one is looked for that must not be made.
	ErrNoFarm = errors.New("there is no Farm here")
	// ErrOtherFarm: storage holds another Farm than the one that this server has
	// known, or none. Nothing is read from it or written to it.
	ErrOtherFarm = errors.New("storage does not hold this server's Farm any more: it has lost its data, or it is another storage")
)

// View is the whole Farm at one revision; immutable. Every Picture in it has
// the View's revision. Events holds the newest EventsInView ones of a Site.
type View struct {
	Revision farm.Revision
	Sites    map[farm.SiteID]*farm.Picture
	Tokens   map[TokenHash]Token

	// Unreadable names what is stored and cannot be read, in order: it is not
	// deleted. This View has it as it was known before, if it was; see Unread.
	Unreadable []string

	EpochFloor farm.Epoch // also in every Picture, see RaiseEpochs

	known  map[farm.SiteID]known // what a Draft goes on from
	copied int
	unread []Unread // what Unreadable names
}

// EventsInView is how many events of a Site a View holds at most.
const EventsInView = 1000

// TokenHash is the SHA-256 of an API token, in lower-case hex. Tokens are
// random and long, so a slow hash would protect nothing.
type TokenHash string

// Token is what is kept of an API token.
type Token struct {
	Name      string
	CreatedAt time.Time
}

// Store is the Farm's memory.
type Store interface {
	// Latest returns the newest View this server has seen, without asking
	// storage: it may be stale. It is never nil.
	Latest() *View

	// Current returns a View no older than the moment of the call.
	Current(ctx context.Context) (*View, error)

	// Wait blocks until a View with a revision higher than after is there, and
	// returns the newest; so it does when Views have gone back below after. It
	// may return early: callers look at the View again
	// and never at the change itself. It ends with ctx.Err() when ctx does.
	Wait(ctx context.Context, after farm.Revision) (*View, error)

	// At returns the Site as it was at a revision, or ErrGone, also for one that
	// storage has not reached. A Site that did not exist then is nil.
	At(ctx context.Context, site farm.SiteID, at farm.Revision) (*farm.Picture, error)

	// Edit changes a Site's configuration in one transaction. decide gets the
	// current picture (nil: no such Site), must be pure and may be called
	// several times: everything it can have read of the Site, its brokers,
	// presence and seats, and the Providers it writes, is compared in the
	// transaction that stores its Change, and on a missed compare it decides
	// again. A Change of brokers, or of the Site's being, also compares that no
	// Provider has appeared or changed. Its error is returned as it is. A Change
	// that changes nothing is not stored, see Change.Against. The picture
	// returned is one in which the change is visible; nil if the Site is deleted.
	Edit(ctx context.Context, site farm.SiteID, decide func(*farm.Picture) (Change, error)) (*farm.Picture, error)

	// Secret returns a Provider's secret, empty if it has none.
	Secret(ctx context.Context, site farm.SiteID, provider farm.ProviderID) (string, error)

	// CheckSecretKey is ErrSecretKey if this server has not the Farm's secret key,
	// or if there are secrets and it opens none of them. One without a key has the
	// Farm's as long as nobody has one. The first key that is checked becomes the
	// Farm's, until everything is sealed anew with another. Before it has been
	// checked once, no secret is sealed or opened.
	CheckSecretKey(ctx context.Context) error

	// CreateRootToken stores the Farm's first token. It returns false, and
	// stores nothing, if the Farm has any token already.
	CreateRootToken(ctx context.Context, hash TokenHash, t Token) (bool, error)

	// Register makes a broker present under a lease of about ttl and returns
	// its session. While another incarnation of the same broker is present it
	// blocks: it never cuts short a life that may still be acting. Presence
	// counts from the revision this stores; p.Incarnation is ignored.
	// It registers nothing when ctx ends first.
	Register(ctx context.Context, site farm.SiteID, p farm.Presence, ttl time.Duration) (Session, error)

	// RaiseEpochs adds to the epoch of every ownership record of the Farm, and
	// returns how many it raised: after storage has been put back to an earlier
	// state, so that epochs are above those that were given since. It leaves a
	// floor, as high as the highest of them and raised with them, for Providers
	// that have no record here and may have had one since. A record that cannot be
	// read it removes, with a floor by MaxRaise above all others. by is at most MaxRaise.
	// While any
	// broker is present it blocks. ErrConflict if one appears, or a record
	// changes, meanwhile: some are raised then, and to raise them again does no
	// harm.
	RaiseEpochs(ctx context.Context, by farm.Epoch) (int, error)

	// Health asks storage how it is. It returns within ctx.
	Health(ctx context.Context) Health

	// Run keeps the View current until ctx ends, through lost connections and
	// compactions; then it returns nil. It returns ErrFormat if it cannot read
	// what is stored. Latest, Current, Wait and Edit, and what blocks until
	// something is so, need it running. Ready in Health is true once the first
	// View is there. After an error it is over: whatever needs Run, and every
	// write, ends with that error.
	Run(ctx context.Context) error
}

// Change is what one edit stores, all or nothing. Zero fields change nothing.
type Change struct {
	PutSite    *farm.Site
	DeleteSite bool // and everything in it

	PutBrokers   []farm.Broker
	DeleteBroker farm.BrokerID

	PutProvider    *farm.Provider
	Secret         *string         // of PutProvider; "" removes it
	DeleteProvider farm.ProviderID // with its secret, report and Hosts; its ownership record stays, so that epochs never run backwards

	Events []farm.Event
}

// Session is one life of a broker. It belongs to the broker's own code: every
// method acts as that incarnation and is refused with ErrLost once it is gone.
type Session interface {
	// Incarnation is the revision of its presence.
	Incarnation() farm.Incarnation

	// TTL is what was granted, which may be more than was asked for.
	TTL() time.Duration

	// Lost reports whether the presence is known to be gone, without asking
	// storage. Whoever is about to act on a View asks after having got it: one of a
	// Farm that was put back may show this life as if it went on.
	Lost() bool

	// Renew keeps the presence alive for another TTL, counted by storage from
	// some moment between call and return. Callers take the time before
	// calling, and trust nothing after that time + TTL (less a margin).
	Renew(ctx context.Context) error

	// Announce replaces what the presence says; the incarnation stays.
	Announce(ctx context.Context, p farm.Presence) error

	// Campaign blocks until this session is the coordinator of its Site, also
	// while storage does not answer. The term ends with the session. A
	// coordinator that campaigns again has the same term. One whose session is gone
	// is none, whatever is left of it.
	Campaign(ctx context.Context) (Term, error)

	// Handover completes the planned handover that the record asks for, making
	// farm.HandedOver(was), Since now, the record, with the event
	// farm.OwnerChanged. The caller's agent has stopped. ErrConflict if the
	// record is not as was says, or the target's incarnation is gone.
	Handover(ctx context.Context, provider farm.ProviderID, was farm.Stored[farm.Ownership]) error

	// Release says that the caller's agent has stopped, for a record that names
	// it as releasing. ErrConflict if the record has changed.
	Release(ctx context.Context, provider farm.ProviderID, was farm.Stored[farm.Ownership]) error

	// Report stores what the owner's agent knows, under its epoch, in one
	// transaction: the report (nil: unchanged), Hosts that are new or changed,
	// Hosts that are gone, and events. The Hosts must not be more than
	// HostsAtOnce, see Update.Parts. ErrFenced if the record is not as was says
	// or the Provider is deleted. Calls for one Provider must not overlap.
	Report(ctx context.Context, provider farm.ProviderID, was farm.Stored[farm.Ownership], u Update) error

	// Close ends the presence at once. Repeating it does nothing.
	Close(ctx context.Context) error
}

// Update is what an agent has to say.
type Update struct {
	Report *farm.Report
	Hosts  []farm.Host
	Gone   []farm.HostID
	Events []farm.Event
}

// HostsAtOnce is how many Hosts one Report takes: that many of the largest
// Hosts that an agent stores stay within etcd's limit of 1.5 MiB a request.
const HostsAtOnce = 250

// Parts divides an Update into such as one Report takes each; the report and
// the events are in the last, so that they speak of what is stored.
func (u Update) Parts() []Update {
	var parts []Update
	for len(u.Hosts)+len(u.Gone) > HostsAtOnce {
		hosts := min(len(u.Hosts), HostsAtOnce)
		gone := min(len(u.Gone), HostsAtOnce-hosts)
		parts = append(parts, Update{Hosts: u.Hosts[:hosts], Gone: u.Gone[:gone]})
		u.Hosts, u.Gone = u.Hosts[hosts:], u.Gone[gone:]
	}
	return append(parts, u)
}

// Term is what only the coordinator may do. Every write compares the term, so
// that a deposed coordinator's is refused with ErrDeposed.
type Term interface {
	// Apply stores a verdict and decisions, seats first (nil: unchanged), many
	// decisions per transaction. Each is compared with the record it replaces,
	// with the seats, and with its Guards. ErrConflict if any has
	// changed: some of the decisions may be stored then, and the caller looks
	// and decides again. events are stored with the seats.
	Apply(ctx context.Context, was farm.Stored[farm.Seats], seats *farm.Seats, events []farm.Event, decisions []farm.Decision) error

	// Resign ends the term; the session may stand again. ErrDeposed if it has ended.
	Resign(ctx context.Context) error

	// Trim keeps the newest events of the Site and removes the others.
	Trim(ctx context.Context, keep int) error
}

// Health is how storage is.
type Health struct {
	Ready   bool   // a View is there, and the secret key, if there is one, has been checked
	Answers bool   // a linearizable read was answered
	Problem string // a sentence, if anything is wrong
	Current bool   // the View has caught up with storage
	Version string
	Size    int64    // bytes of the database
	Quota   int64    // bytes at which it is full; 0 if not known
	Alarms  []string // for example NOSPACE
	Members []Member

	SecretKeys []SecretKey // of this server, in the order in which they were added
}

// Member is one server of the storage.
type Member struct {
	Name     string
	Endpoint string
	Healthy  bool
	Leader   bool
	Problem  string
}
