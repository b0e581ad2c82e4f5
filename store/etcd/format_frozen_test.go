package etcd

import "time"

// What a version that knows format 1 reads, as its wire.go had it. These structs
// stand still: they are not changed when wire.go is.
type (
	format1Format struct {
		Version int `json:"version"`
	}
	format1Farm struct {
		ID string `json:"id"`
	}
	format1Site struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Failback    struct {
			Mode     string `json:"mode"`
			HoldDown string `json:"holdDown"`
		} `json:"failback"`
		TieBreaker       string    `json:"tieBreaker"`
		MaxParallelMoves int       `json:"maxParallelMoves"`
		CreatedAt        time.Time `json:"createdAt"`
		UpdatedAt        time.Time `json:"updatedAt"`
	}
	format1Broker struct {
		Name        string    `json:"name"`
		Description string    `json:"description"`
		Address     string    `json:"address"`
		Mode        string    `json:"mode"`
		Priority    int       `json:"priority"`
		Enabled     bool      `json:"enabled"`
		Draining    bool      `json:"draining"`
		CreatedAt   time.Time `json:"createdAt"`
		UpdatedAt   time.Time `json:"updatedAt"`
	}
	format1Provider struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Type        string `json:"type"`
		Address     string `json:"address"`
		Username    string `json:"username"`
		Options     any    `json:"options"`
		Enabled     bool   `json:"enabled"`
		Preferred   struct {
			Mode   string `json:"mode"`
			Broker string `json:"broker"`
		} `json:"preferred"`
		MovedTo   string    `json:"movedTo"`
		CreatedAt time.Time `json:"createdAt"`
		UpdatedAt time.Time `json:"updatedAt"`
	}
	format1Secret struct {
		Sealed []byte `json:"sealed"`
	}
	format1Presence struct {
		Address string    `json:"address"`
		Version string    `json:"version"`
		Since   time.Time `json:"since"`
		Leaving bool      `json:"leaving"`
	}
	format1Coordinator struct {
		Broker string `json:"broker"`
	}
	format1Seats struct {
		Armed bool `json:"armed"`
		Seats []struct {
			Broker   string `json:"broker"`
			Occupant string `json:"occupant"`
		} `json:"seats"`
		Serving []string  `json:"serving"`
		State   string    `json:"state"`
		Reason  string    `json:"reason"`
		Message string    `json:"message"`
		Since   time.Time `json:"since"`
		Epoch   uint64    `json:"epoch"`
		Returns map[string]struct {
			Held        bool  `json:"held"`
			Flaps       int   `json:"flaps"`
			Incarnation int64 `json:"incarnation"`
		} `json:"returns"`
		Online map[string]int64 `json:"online"`
	}
	format1Owner struct {
		Broker               string    `json:"broker"`
		Incarnation          int64     `json:"incarnation"`
		Epoch                uint64    `json:"epoch"`
		Since                time.Time `json:"since"`
		Reason               string    `json:"reason"`
		Message              string    `json:"message"`
		Home                 string    `json:"home"`
		Target               string    `json:"target"`
		TargetIncarnation    int64     `json:"targetIncarnation"`
		TargetReason         string    `json:"targetReason"`
		TargetMessage        string    `json:"targetMessage"`
		TargetHome           string    `json:"targetHome"`
		Releasing            string    `json:"releasing"`
		ReleasingIncarnation int64     `json:"releasingIncarnation"`
	}
	format1Report struct {
		Epoch       uint64    `json:"epoch"`
		State       string    `json:"state"`
		Reason      string    `json:"reason"`
		Message     string    `json:"message"`
		Since       time.Time `json:"since"`
		Hosts       int       `json:"hosts"`
		UsableHosts int       `json:"usableHosts"`
	}
	format1Host struct {
		Name        string    `json:"name"`
		State       string    `json:"state"`
		Addresses   []string  `json:"addresses"`
		GuestOS     string    `json:"guestOS"`
		Maintenance bool      `json:"maintenance"`
		AsOf        time.Time `json:"asOf"`
		Epoch       uint64    `json:"epoch"`
	}
	format1Event struct {
		Time    time.Time `json:"time"`
		Type    string    `json:"type"`
		Subject string    `json:"subject"`
		From    string    `json:"from"`
		To      string    `json:"to"`
		Epoch   uint64    `json:"epoch"`
		Reason  string    `json:"reason"`
		Message string    `json:"message"`
		Cause   string    `json:"cause"`
	}
	format1Token struct {
		Name      string    `json:"name"`
		CreatedAt time.Time `json:"createdAt"`
	}
)

// format1 makes an empty value of what lies under a kind of key.
func format1(kind string) any {
	switch kind {
	case "format":
		return &format1Format{}
	case "farm":
		return &format1Farm{}
	case "secret-key":
		return &format1Secret{}
	case kindSite:
		return &format1Site{}
	case kindBroker:
		return &format1Broker{}
	case kindProvider:
		return &format1Provider{}
	case kindSecret:
		return &format1Secret{}
	case kindPresence:
		return &format1Presence{}
	case kindCoordinator:
		return &format1Coordinator{}
	case kindSeats:
		return &format1Seats{}
	case kindOwner:
		return &format1Owner{}
	case kindReport:
		return &format1Report{}
	case kindHost:
		return &format1Host{}
	case kindEvent:
		return &format1Event{}
	case kindToken:
		return &format1Token{}
	}
	return nil
}
