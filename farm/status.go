package farm

import "time"

// ProviderState is how a Provider stands, as people see it.
type ProviderState string

const (
	ProviderConnected   ProviderState = "connected"
	ProviderConnecting  ProviderState = "connecting"
	ProviderFailed      ProviderState = "failed"
	ProviderUnavailable ProviderState = "unavailable"
	ProviderAbandoned   ProviderState = "abandoned"
	ProviderDisabled    ProviderState = "disabled"
)

// ProviderStatus is what can be said of a Provider.
type ProviderStatus struct {
	State       ProviderState
	Reason      Reason
	Message     string
	Since       time.Time
	Owner       BrokerID
	Epoch       Epoch
	Home        BrokerID
	Preference  PreferenceStatus
	OwnerSince  time.Time
	OwnerReason Reason
	Hosts       int
	Available   int // Hosts available to users
}

// PreferenceStatus says whether a Provider's preference is honoured.
type PreferenceStatus struct {
	Honored bool
	Reason  Reason
	Message string
}

// BrokerState says whether a broker is there.
type BrokerState string

const (
	BrokerOnline   BrokerState = "online"
	BrokerOffline  BrokerState = "offline"
	BrokerDisabled BrokerState = "disabled"
)

// Role is what a broker does now.
type Role string

const (
	RoleActive    Role = "active"
	RoleStandby   Role = "standby"
	RoleActivated Role = "activated" // standing in for a lost broker
	RoleIdle      Role = "idle"      // online, no seat and not standby
)

// BrokerStatus is what can be said of a broker.
type BrokerStatus struct {
	State       BrokerState
	Role        Role
	Draining    bool
	Occupies    BrokerID // the seat it sits on; empty: none
	StandsInFor BrokerID // whose seat that is, if not its own
	Since       time.Time
	Incarnation Incarnation
	Version     string
	Providers   int // that it owns
	Contact     map[BrokerID]bool
	Reason      Reason
	Message     string
}

// SiteStatus is what can be said of a Site.
type SiteStatus struct {
	HighAvailability HighAvailability
	Coordinator      BrokerID
	Brokers          BrokerCounts
	Providers        ProviderCounts
	Warnings         []Warning
}

// HighAvailability is the verdict on a Site's high availability.
type HighAvailability struct {
	State    State
	Reason   Reason
	Message  string
	Since    time.Time
	Seats    []Seat
	Majority int
}

// BrokerCounts counts a Site's brokers.
type BrokerCounts struct{ Total, Online, Active, Standby int }

// ProviderCounts counts a Site's Providers by state.
type ProviderCounts struct{ Total, Connected, Failed, Unavailable, Abandoned int }

// Warning is something an administrator should look at; nothing is refused.
type Warning struct {
	Code    string
	Message string
}
