package etcd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// What lies in etcd: JSON, in these structs. Their field names are the stored
// format; a change that an older version would misread needs a new formatVersion.
// Where a struct has the fields of its farm counterpart in the same order, the
// compiler holds the two together by conversion.

// formatVersion is what this version writes, and the newest it can read.
const formatVersion = 1

type formatRecord struct {
	Version int `json:"version"`
}

// farmRecord tells one Farm from another.
type farmRecord struct {
	ID string `json:"id"`
}

// epochsRecord is beside format 1: a version that does not know it ignores it.
type epochsRecord struct {
	Floor uint64 `json:"floor"`
}

type siteRecord struct {
	Name             string         `json:"name,omitempty"`
	Description      string         `json:"description,omitempty"`
	Failback         failbackRecord `json:"failback"`
	TieBreaker       string         `json:"tieBreaker"`
	Failsafe         *bool          `json:"failsafe,omitempty"` // left out by older versions: true
	MaxParallelMoves int            `json:"maxParallelMoves"`
	CreatedAt        time.Time      `json:"createdAt"`
	UpdatedAt        time.Time      `json:"updatedAt"`
}

type failbackRecord struct {
	Mode     string `json:"mode"`
	HoldDown string `json:"holdDown"`
}

func encodeSite(v farm.Site) ([]byte, error) {
	return encode(siteRecord{
		Name: v.Name, Description: v.Description,
		Failback:   failbackRecord{Mode: string(v.Failback.Mode), HoldDown: v.Failback.HoldDown.String()},
		TieBreaker: string(v.TieBreaker), Failsafe: &v.Failsafe, MaxParallelMoves: v.MaxParallelMoves,
		CreatedAt: v.CreatedAt.UTC(), UpdatedAt: v.UpdatedAt.UTC(),
	})
}

func decodeSite(id farm.SiteID, value []byte) (farm.Site, error) {
	r, err := decode[siteRecord](value)
	if err != nil {
		return farm.Site{}, err
	}
	holdDown, err := time.ParseDuration(r.Failback.HoldDown)
	if err != nil {
		return farm.Site{}, fmt.Errorf("hold-down: %w", err)
	}
	return farm.Site{
		ID: id, Name: r.Name, Description: r.Description,
		Failback:   farm.Failback{Mode: farm.FailbackMode(r.Failback.Mode), HoldDown: holdDown},
		TieBreaker: farm.TieBreaker(r.TieBreaker), Failsafe: r.Failsafe == nil || *r.Failsafe, MaxParallelMoves: r.MaxParallelMoves,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}, nil
}

type brokerRecord struct {
	ID          farm.BrokerID `json:"-"`
	Name        string        `json:"name,omitempty"`
	Description string        `json:"description,omitempty"`
	Address     string        `json:"address,omitempty"`
	Mode        farm.Mode     `json:"mode"`
	Priority    int           `json:"priority"`
	Enabled     bool          `json:"enabled"`
	Draining    bool          `json:"draining,omitempty"`
	CreatedAt   time.Time     `json:"createdAt"`
	UpdatedAt   time.Time     `json:"updatedAt"`
}

func encodeBroker(v farm.Broker) ([]byte, error) {
	v.CreatedAt, v.UpdatedAt = v.CreatedAt.UTC(), v.UpdatedAt.UTC()
	return encode(brokerRecord(v))
}

func decodeBroker(id farm.BrokerID, value []byte) (farm.Broker, error) {
	r, err := decode[brokerRecord](value)
	r.ID = id
	return farm.Broker(r), err
}

type providerRecord struct {
	Name        string           `json:"name,omitempty"`
	Description string           `json:"description,omitempty"`
	Type        string           `json:"type"`
	Address     string           `json:"address,omitempty"`
	Username    string           `json:"username,omitempty"`
	Options     json.RawMessage  `json:"options,omitempty"`
	Enabled     bool             `json:"enabled"`
	Preferred   preferenceRecord `json:"preferred"`
	MovedTo     farm.BrokerID    `json:"movedTo,omitempty"`
	CreatedAt   time.Time        `json:"createdAt"`
	UpdatedAt   time.Time        `json:"updatedAt"`
}

type preferenceRecord struct {
	Mode   farm.PreferenceMode `json:"mode,omitempty"`
	Broker farm.BrokerID       `json:"broker,omitempty"`
}

func encodeProvider(v farm.Provider) ([]byte, error) {
	return encode(providerRecord{
		Name: v.Name, Description: v.Description, Type: v.Type, Address: v.Address, Username: v.Username,
		Options: v.Options, Enabled: v.Enabled, Preferred: preferenceRecord(v.Preferred), MovedTo: v.MovedTo,
		CreatedAt: v.CreatedAt.UTC(), UpdatedAt: v.UpdatedAt.UTC(),
	})
}

func decodeProvider(id farm.ProviderID, value []byte) (farm.Provider, error) {
	r, err := decode[providerRecord](value)
	return farm.Provider{
		ID: id, Name: r.Name, Description: r.Description, Type: r.Type, Address: r.Address, Username: r.Username,
		Options: r.Options, Enabled: r.Enabled, Preferred: farm.Preference(r.Preferred), MovedTo: r.MovedTo,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}, err
}

type hostRecord struct {
	ID          farm.HostID    `json:"-"`
	Name        string         `json:"name,omitempty"`
	State       farm.HostState `json:"state"`
	Addresses   []string       `json:"addresses,omitempty"`
	GuestOS     string         `json:"guestOS,omitempty"`
	Maintenance bool           `json:"maintenance,omitempty"`
	AsOf        time.Time      `json:"asOf"`
	Epoch       farm.Epoch     `json:"epoch"`
}

func encodeHost(v farm.Host) ([]byte, error) {
	v.AsOf = v.AsOf.UTC()
	return encode(hostRecord(v))
}

func decodeHost(id farm.HostID, value []byte) (farm.Host, error) {
	r, err := decode[hostRecord](value)
	r.ID = id
	return farm.Host(r), err
}

type presenceRecord struct {
	Broker      farm.BrokerID    `json:"-"`
	Incarnation farm.Incarnation `json:"-"`
	Address     string           `json:"address,omitempty"`
	Version     string           `json:"version,omitempty"`
	Since       time.Time        `json:"since"`
	Process     string           `json:"process,omitempty"`
	Leaving     bool             `json:"leaving,omitempty"`

	Unreached  map[farm.BrokerID]farm.Incarnation `json:"unreached,omitempty"`
	Paths      map[farm.ProviderID]bool           `json:"paths,omitempty"`
	ContactKey []byte                             `json:"contactKey,omitempty"`
}

func encodePresence(v farm.Presence) ([]byte, error) {
	v.Since = v.Since.UTC()
	return encode(presenceRecord(v))
}

func decodePresence(id farm.BrokerID, created int64, value []byte) (farm.Presence, error) {
	r, err := decode[presenceRecord](value)
	r.Broker, r.Incarnation = id, farm.Incarnation(created)
	return farm.Presence(r), err
}

type coordinatorRecord struct {
	Broker farm.BrokerID `json:"broker"`
}

type ownerRecord struct {
	Broker               farm.BrokerID    `json:"broker,omitempty"`
	Incarnation          farm.Incarnation `json:"incarnation,omitempty"`
	Epoch                farm.Epoch       `json:"epoch"`
	Since                time.Time        `json:"since"`
	Reason               farm.Reason      `json:"reason,omitempty"`
	Message              string           `json:"message,omitempty"`
	Home                 farm.BrokerID    `json:"home,omitempty"`
	Target               farm.BrokerID    `json:"target,omitempty"`
	TargetIncarnation    farm.Incarnation `json:"targetIncarnation,omitempty"`
	TargetReason         farm.Reason      `json:"targetReason,omitempty"`
	TargetMessage        string           `json:"targetMessage,omitempty"`
	TargetHome           farm.BrokerID    `json:"targetHome,omitempty"`
	Releasing            farm.BrokerID    `json:"releasing,omitempty"`
	ReleasingIncarnation farm.Incarnation `json:"releasingIncarnation,omitempty"`
}

func encodeOwner(v farm.Ownership) ([]byte, error) {
	v.Since = v.Since.UTC()
	return encode(ownerRecord(v))
}

func decodeOwner(value []byte) (farm.Ownership, error) {
	r, err := decode[ownerRecord](value)
	return farm.Ownership(r), err
}

type reportRecord struct {
	Epoch       farm.Epoch           `json:"epoch"`
	State       farm.ConnectionState `json:"state"`
	Reason      farm.Reason          `json:"reason,omitempty"`
	Message     string               `json:"message,omitempty"`
	Since       time.Time            `json:"since"`
	Hosts       int                  `json:"hosts"`
	UsableHosts int                  `json:"usableHosts"`
}

func encodeReport(v farm.Report) ([]byte, error) {
	v.Since = v.Since.UTC()
	return encode(reportRecord(v))
}

func decodeReport(value []byte) (farm.Report, error) {
	r, err := decode[reportRecord](value)
	return farm.Report(r), err
}

type seatsRecord struct {
	Armed    bool                               `json:"armed"`
	Seats    []seatRecord                       `json:"seats,omitempty"`
	Serving  []farm.BrokerID                    `json:"serving,omitempty"`
	Electors []farm.BrokerID                    `json:"electors,omitempty"`
	State    farm.State                         `json:"state"`
	Reason   farm.Reason                        `json:"reason,omitempty"`
	Message  string                             `json:"message,omitempty"`
	Since    time.Time                          `json:"since"`
	Epoch    uint64                             `json:"epoch"`
	Returns  map[farm.BrokerID]returnRecord     `json:"returns,omitempty"`
	Online   map[farm.BrokerID]farm.Incarnation `json:"online,omitempty"`
}

type seatRecord struct {
	Broker   farm.BrokerID `json:"broker"`
	Occupant farm.BrokerID `json:"occupant,omitempty"`
}

type returnRecord struct {
	Held        bool             `json:"held,omitempty"`
	Flaps       int              `json:"flaps,omitempty"`
	Incarnation farm.Incarnation `json:"incarnation,omitempty"`
}

func encodeSeats(v farm.Seats) ([]byte, error) {
	r := seatsRecord{
		Armed: v.Armed, Serving: v.Serving, Electors: v.Electors, State: v.State, Reason: v.Reason, Message: v.Message,
		Since: v.Since.UTC(), Epoch: v.Epoch, Online: v.Online,
	}
	for _, s := range v.Seats {
		r.Seats = append(r.Seats, seatRecord(s))
	}
	if len(v.Returns) > 0 {
		r.Returns = make(map[farm.BrokerID]returnRecord, len(v.Returns))
		for id, back := range v.Returns {
			r.Returns[id] = returnRecord(back)
		}
	}
	return encode(r)
}

func decodeSeats(value []byte) (farm.Seats, error) {
	r, err := decode[seatsRecord](value)
	v := farm.Seats{
		Armed: r.Armed, Serving: r.Serving, Electors: r.Electors, State: r.State, Reason: r.Reason, Message: r.Message,
		Since: r.Since, Epoch: r.Epoch, Online: r.Online,
	}
	for _, s := range r.Seats {
		v.Seats = append(v.Seats, farm.Seat(s))
	}
	if len(r.Returns) > 0 {
		v.Returns = make(map[farm.BrokerID]farm.Return, len(r.Returns))
		for id, back := range r.Returns {
			v.Returns[id] = farm.Return(back)
		}
	}
	return v, err
}

type eventRecord struct {
	ID       string         `json:"-"`
	Revision farm.Revision  `json:"-"`
	Time     time.Time      `json:"time"`
	Type     farm.EventType `json:"type"`
	Subject  string         `json:"subject,omitempty"`
	From     string         `json:"from,omitempty"`
	To       string         `json:"to,omitempty"`
	Epoch    farm.Epoch     `json:"epoch,omitempty"`
	Reason   farm.Reason    `json:"reason,omitempty"`
	Message  string         `json:"message,omitempty"`
	Cause    string         `json:"cause,omitempty"`
}

func encodeEvent(v farm.Event) ([]byte, error) {
	v.Time = v.Time.UTC()
	return encode(eventRecord(v))
}

func decodeEvent(id string, created int64, value []byte) (farm.Event, error) {
	r, err := decode[eventRecord](value)
	r.ID, r.Revision = id, farm.Revision(created)
	return farm.Event(r), err
}

type tokenRecord struct {
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
}

func encodeToken(v store.Token) ([]byte, error) {
	v.CreatedAt = v.CreatedAt.UTC()
	return encode(tokenRecord(v))
}

func decodeToken(value []byte) (store.Token, error) {
	r, err := decode[tokenRecord](value)
	return store.Token(r), err
}

type secretRecord struct {
	Sealed []byte `json:"sealed"`
}

func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

func decode[T any](value []byte) (T, error) {
	var v T
	err := json.Unmarshal(value, &v)
	return v, err
}
