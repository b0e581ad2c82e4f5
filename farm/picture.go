package farm

import "time"

// Stored is a value as it stands in storage.
type Stored[T any] struct {
	Value    T
	Revision Revision // of its last write; 0 if it is not stored
}

// Picture is everything known of one Site at one revision. It is immutable:
// whoever holds one may read it without locks and must not change it.
type Picture struct {
	Revision    Revision
	Site        Stored[Site]
	Brokers     map[BrokerID]Stored[Broker]
	Providers   map[ProviderID]Stored[Provider]
	Presence    map[BrokerID]Presence
	Seats       Stored[Seats]
	Owners      map[ProviderID]Stored[Ownership]
	Reports     map[ProviderID]Report
	Hosts       map[ProviderID]map[HostID]Host
	Events      []Event // the kept ones, oldest first
	Coordinator Coordinator

	// EpochFloor is what the first epoch of a Provider is above: what storage has
	// forgotten may have gone so far.
	EpochFloor Epoch

	Unreadable Unreadable
}

// Coordinator is the one broker that decides for its Site.
type Coordinator struct {
	Broker BrokerID // empty: none is elected
	Term   Revision // the revision of its election
}

// Life names one life of a broker: who, and which incarnation of it.
type Life struct {
	Broker      BrokerID
	Incarnation Incarnation
}

// Alive reports whether that incarnation of the broker is present.
func (p *Picture) Alive(l Life) bool {
	here, ok := p.Presence[l.Broker]
	return ok && l.Broker != "" && here.Incarnation == l.Incarnation
}

// Seat is one vote.
type Seat struct {
	Broker   BrokerID // whose seat it is
	Occupant BrokerID // who sits on it; empty: nobody
}

// State of a Site's high availability.
type State string

const (
	StateOff      State = "off"
	StateOn       State = "on"
	StateDegraded State = "degraded"
	StateLost     State = "lost"
)

// Return is what is remembered of a broker that was lost, so that one that
// keeps flapping is held back longer each time.
type Return struct {
	Held  bool // it has not been back for its hold-down yet
	Flaps int  // how often it was lost, unannounced, soon after it had returned
	// Incarnation last seen; 0 while it is gone or about to go.
	Incarnation Incarnation
}

// Seats is the coordinator's verdict on a Site, and its memory. While State is
// StateLost no broker may act for any Provider, whatever the ownership says.
type Seats struct {
	Armed   bool
	Seats   []Seat // in priority order
	Serving []BrokerID
	// Electors are who alone may make another verdict of one that is lost since none
	// of them was there, see MayDecide.
	Electors []BrokerID
	State    State
	Reason   Reason
	Message  string
	Since    time.Time
	Epoch    uint64 // counts the verdicts
	Returns  map[BrokerID]Return
	Online   map[BrokerID]Incarnation // who was present at the verdict
}

// EventType says what kind of thing happened.
type EventType string

const (
	EventOwnerChanged  EventType = "provider.owner-changed"
	EventStateChanged  EventType = "provider.state-changed"
	EventBrokerOnline  EventType = "broker.online"
	EventBrokerOffline EventType = "broker.offline"
	EventActivated     EventType = "broker.activated"
	EventReleased      EventType = "broker.released"
	EventHAChanged     EventType = "site.high-availability-changed"
	EventConfigChanged EventType = "config.changed"
)

// Event is one thing that happened in a Site. Order is by Revision; Time is
// for people to read.
type Event struct {
	ID       string   // set by the store
	Revision Revision // set by the store
	Time     time.Time
	Type     EventType
	Subject  string // "providers/vc-1", "brokers/cb-1", "site"
	From     string // broker or state before
	To       string // broker or state after
	Epoch    Epoch  // of the Provider's ownership; 0 where it does not apply
	Reason   Reason
	Message  string
	Cause    string // the subject that brought it about, if another one
}
