// Package farm holds the words and the rules of Quorate. It is a leaf: no I/O,
// no clock, no goroutine; the same input gives the same output.
//
// # Glossary
//
// Farm: one deployment, any number of Sites.
//
// Site: an isolated group of Connection Brokers and Providers.
//
// Connection Broker (broker): one running server process that has registered
// in a Site. It carries a built-in Provider Agent.
//
// Mode: what the administrator wants of a broker: active or standby.
//
// Priority: a broker's place in the Site's order, 0 first.
//
// Presence: the record that a broker keeps alive. Presence = online.
//
// Incarnation: one life of a broker's presence; a restarted broker is a new one.
//
// Seat: one vote. Seats = enabled brokers with mode active.
//
// Occupant: who sits on a seat: its own broker, the standby activated in its
// place, or nobody.
//
// In contact: two brokers are both present and each can reach the other.
//
// Serving group: the largest set of occupants all in contact with each other,
// if it is strictly more than half of the seats; otherwise there is none.
//
// Provider: a hypervisor, cloud or PC pool whose Hosts users connect to.
//
// Provider Agent (agent): the part of a broker that holds the connection to a
// Provider.
//
// Host: one VM or PC of a Provider.
//
// Owner: the one broker whose agent may act on a Provider.
//
// Epoch: counts a Provider's owners, rising by one at each change; a fencing
// token.
//
// Preferred Connection Broker: a Provider's setting, Automatic or one named
// broker (manual). A preference, never a pin: both fail over.
//
// Home: the broker that a Provider goes back to when everything is well.
//
// Coordinator: the one server of a Site that decides.
package farm

import (
	"encoding/json"
	"time"
)

// Names of things. All of them match
// [a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?, see ValidID; a HostID is the Provider's
// own name for the Host and is any text.
type (
	SiteID     string
	BrokerID   string
	ProviderID string
	HostID     string
)

// Revision is a point in the Farm's history. Every write has a higher one than
// all writes before it. 0 is "never".
type Revision int64

// Incarnation is the revision at which a broker's presence was created.
// 0 is "not present".
type Incarnation int64

// Epoch counts a Provider's owners. The first owner has epoch 1.
type Epoch uint64

// Mode is what the administrator wants of a broker.
type Mode string

const (
	ModeActive  Mode = "active"
	ModeStandby Mode = "standby"
)

// FailbackMode says whether Providers go home by themselves.
type FailbackMode string

const (
	FailbackAutomatic FailbackMode = "automatic"
	FailbackManual    FailbackMode = "manual"
)

// TieBreaker says what happens when exactly half of the seats are in contact.
type TieBreaker string

const (
	// TieBreakerNone abandons everything in a tie.
	TieBreakerNone TieBreaker = "none"
	// TieBreakerPriority lets the half serve that holds the first seat.
	TieBreakerPriority TieBreaker = "priority"
)

// Failback is how Providers go home after a loss.
type Failback struct {
	Mode     FailbackMode
	HoldDown time.Duration // how long a lost broker must be back and steady
}

// Site is the configuration of a Site.
type Site struct {
	ID               SiteID
	Name             string
	Description      string
	Failback         Failback
	TieBreaker       TieBreaker
	Failsafe         bool // owners keep serving while nobody has storage, see DESIGN.md of package broker
	MaxParallelMoves int  // planned handovers at once
	CreatedAt        time.Time
	UpdatedAt        time.Time
}

// Defaults of a Site's settings.
const (
	DefaultHoldDown         = 10 * time.Second
	DefaultMaxParallelMoves = 8
)

// NewSite returns a Site with every setting at its default.
func NewSite(id SiteID) Site {
	return Site{
		ID:               id,
		Failback:         Failback{Mode: FailbackAutomatic, HoldDown: DefaultHoldDown},
		TieBreaker:       TieBreakerNone,
		Failsafe:         true,
		MaxParallelMoves: DefaultMaxParallelMoves,
	}
}

// Broker is the configuration of a Connection Broker.
type Broker struct {
	ID          BrokerID
	Name        string
	Description string
	Address     string // base URL of its server
	Mode        Mode
	Priority    int
	Enabled     bool
	Draining    bool // the operator wants it empty; it keeps its seat
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// PreferenceMode is how a Provider's Preferred Connection Broker is chosen.
type PreferenceMode string

const (
	PreferenceAutomatic PreferenceMode = "automatic"
	PreferenceManual    PreferenceMode = "manual"
)

// Preference is a Provider's Preferred Connection Broker. Broker is empty
// unless Mode is manual. The zero value is "not chosen yet".
type Preference struct {
	Mode   PreferenceMode
	Broker BrokerID
}

// Automatic is the preference for no broker in particular.
var Automatic = Preference{Mode: PreferenceAutomatic}

// Manual is the preference for one broker.
func Manual(b BrokerID) Preference { return Preference{Mode: PreferenceManual, Broker: b} }

// Provider is the configuration of a Provider. Its secret is kept apart.
type Provider struct {
	ID          ProviderID
	Name        string
	Description string
	Type        string
	Address     string
	Username    string
	Options     json.RawMessage // what the Provider's type defines; an object or empty
	Enabled     bool
	Preferred   Preference
	// MovedTo is the home that an operator's move has set; empty if none.
	MovedTo   BrokerID
	CreatedAt time.Time
	UpdatedAt time.Time
}

// HostState is a Host's power state.
type HostState string

const (
	HostOn        HostState = "on"
	HostOff       HostState = "off"
	HostSuspended HostState = "suspended"
	HostStarting  HostState = "starting"
	HostStopping  HostState = "stopping"
	HostUnknown   HostState = "unknown"
)

// Host is one VM or PC of a Provider, as its owner saw it last.
type Host struct {
	ID          HostID
	Name        string
	State       HostState
	Addresses   []string
	GuestOS     string
	Maintenance bool
	AsOf        time.Time // when the owner saw the change
	Epoch       Epoch     // whose owner wrote it
}

// Usable reports whether users could connect to h if its Provider is connected.
func (h Host) Usable() bool { return h.State == HostOn && !h.Maintenance }

// Presence is what a broker says of itself while it is online.
type Presence struct {
	Broker      BrokerID
	Incarnation Incarnation
	Address     string
	Version     string
	Since       time.Time // for people to read
	// Process is the process whose life this is, a random word; empty: it does not
	// say. Only that process makes anything of it.
	Process string
	// Leaving says that the broker is shutting down and wants to be empty.
	Leaving bool
	// Unreached are the lives of other brokers that do not answer this one. Whoever
	// is not named answers, or has not been asked yet.
	Unreached map[BrokerID]Incarnation
	// Paths are the Providers that this broker cannot reach (false), and those that
	// it can and somebody else cannot (true). Whatever is not named is reached, as
	// far as is known.
	Paths map[ProviderID]bool
	// ContactKey proves who speaks when brokers speak with each other: only who can
	// read the Farm's storage knows it. Empty: this broker does not answer others.
	ContactKey []byte
}

// Ownership records who owns a Provider. It outlives its owner: it is valid
// while the named incarnation is present.
type Ownership struct {
	Broker      BrokerID // empty: nobody
	Incarnation Incarnation
	Epoch       Epoch
	Since       time.Time
	Reason      Reason
	Message     string
	// Home is where the Provider was before a failover; empty if where it is
	// now is its home.
	Home BrokerID
	// Target is set while a planned handover is under way: the owner stops its
	// agent, then makes the target the owner, see HandedOver.
	Target            BrokerID
	TargetIncarnation Incarnation
	TargetReason      Reason
	TargetMessage     string
	TargetHome        BrokerID
	// Releasing is set when the Provider was taken from an owner that was still
	// present: nobody may own it until that incarnation has said that its agent
	// has stopped, or is gone.
	Releasing            BrokerID
	ReleasingIncarnation Incarnation
}

// ConnectionState is how an owner's agent stands with its Provider.
type ConnectionState string

const (
	Connecting ConnectionState = "connecting"
	Connected  ConnectionState = "connected"
	Failed     ConnectionState = "failed"
)

// Report is what an owner's agent says of its Provider. It counts only while
// its Epoch is that of the Ownership.
type Report struct {
	Epoch   Epoch
	State   ConnectionState
	Reason  Reason
	Message string
	Since   time.Time
	// Hosts and UsableHosts count the inventory as last known.
	Hosts       int
	UsableHosts int
}
