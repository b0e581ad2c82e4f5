package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Site is what a Site says of itself.
type Site struct {
	ID       string   `json:"id"`
	Failback Failback `json:"failback"`
	Status   struct {
		HighAvailability struct {
			State   string `json:"state"`
			Reason  string `json:"reason"`
			Message string `json:"message"`
		} `json:"highAvailability"`
		Coordinator string `json:"coordinator"`
		Brokers     struct {
			Total, Online, Active, Standby int
		} `json:"brokers"`
		Providers struct {
			Total, Connected, Failed, Unavailable, Abandoned int
		} `json:"providers"`
	} `json:"status"`
}

// Failback is how Providers go home.
type Failback struct {
	Mode     string `json:"mode"`
	HoldDown string `json:"holdDown"`
}

// Broker is what a broker says of itself.
type Broker struct {
	ID       string `json:"id"`
	Mode     string `json:"mode"`
	Priority int    `json:"priority"`
	Status   struct {
		State       string `json:"state"`
		Role        string `json:"role"`
		Occupies    string `json:"occupies"`
		StandsInFor string `json:"standsInFor"`
		Incarnation int64  `json:"incarnation"`
		Version     string `json:"version"`
		Providers   int    `json:"providers"`
	} `json:"status"`
}

// Provider is what a Provider says of itself.
type Provider struct {
	ID        string `json:"id"`
	Address   string `json:"address"`
	Preferred struct {
		Mode   string `json:"mode"`
		Broker string `json:"broker"`
	} `json:"preferredConnectionBroker"`
	Status ProviderStatus `json:"status"`
}

// ProviderStatus is how a Provider stands.
type ProviderStatus struct {
	State       string `json:"state"`
	Reason      string `json:"reason"`
	Message     string `json:"message"`
	Owner       string `json:"owner"`
	Epoch       uint64 `json:"epoch"`
	Home        string `json:"home"`
	OwnerReason string `json:"ownerReason"`
	Hosts       struct {
		Total     int `json:"total"`
		Available int `json:"available"`
	} `json:"hosts"`
}

// Event is one thing that happened.
type Event struct {
	ID       string    `json:"id"`
	Revision int64     `json:"revision"`
	Time     time.Time `json:"time"`
	Type     string    `json:"type"`
	Subject  string    `json:"subject"`
	From     string    `json:"from"`
	To       string    `json:"to"`
	Epoch    uint64    `json:"epoch"`
	Reason   string    `json:"reason"`
	Message  string    `json:"message"`
	Cause    string    `json:"cause"`
}

// State is a whole Site as a watch shows it.
type State struct {
	Site      Site
	Brokers   map[string]Broker
	Providers map[string]Provider
}

// errSeen ends a watch whose caller has what it waited for.
var errSeen = errors.New("seen")

// Await blocks until the Site is as cond wants it, and returns it as it was
// then. When ctx ends first the error says how the Site was last.
func (c *Client) Await(ctx context.Context, site, what string, cond func(State) bool) (State, error) {
	var now State
	err := c.Watch(ctx, site, func(s State, _ []Event) error {
		now = s
		if cond(s) {
			return errSeen
		}
		return nil
	})
	if errors.Is(err, errSeen) {
		return now, nil
	}
	last, _ := json.Marshal(now)
	return now, fmt.Errorf("waiting until %s: %w; at last the Site was %s", what, err, last)
}

// Watch calls f with the Site and the events that are new, at first and after
// each change, until f returns an error or ctx ends. Events from before the
// watch began are left out.
func (c *Client) Watch(ctx context.Context, site string, f func(State, []Event) error) error {
	var w watched
	return c.follow(ctx, site, func(m Message) error {
		events, err := w.take(m)
		if err != nil {
			return fmt.Errorf("watch: %s: %w", m.Event, err)
		}
		return f(w.State, events)
	})
}

// snapshot is a watch's first message.
type snapshot struct {
	Site      Site       `json:"site"`
	Brokers   []Broker   `json:"brokers"`
	Providers []Provider `json:"providers"`
	Events    []Event    `json:"events"`
	Revision  int64      `json:"revision"`
}

// watched is what a watch has shown so far.
type watched struct {
	State
	revision int64 // of the last event that was passed on, or of the first snapshot
}

// take applies a message, and returns the events in it that are new.
func (w *watched) take(m Message) ([]Event, error) {
	switch m.Event {
	case "snapshot":
		var s snapshot
		if err := json.Unmarshal(m.Data, &s); err != nil {
			return nil, err
		}
		return w.replace(s), nil
	case "site":
		return nil, json.Unmarshal(m.Data, &w.Site)
	case "broker":
		return nil, put(w.Brokers, m.Data)
	case "provider":
		return nil, put(w.Providers, m.Data)
	case "event":
		var e Event
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return nil, err
		}
		w.revision = e.Revision
		return []Event{e}, nil
	}
	return nil, nil // from a newer server
}

func (w *watched) replace(s snapshot) (missed []Event) {
	if w.revision != 0 { // the stream broke, and this is what happened meanwhile
		for _, e := range s.Events {
			if e.Revision > w.revision {
				missed = append(missed, e)
			}
		}
	}
	w.Site, w.revision = s.Site, s.Revision
	w.Brokers, w.Providers = map[string]Broker{}, map[string]Provider{}
	for _, b := range s.Brokers {
		w.Brokers[b.ID] = b
	}
	for _, p := range s.Providers {
		w.Providers[p.ID] = p
	}
	return missed
}

// put replaces a resource, or removes one that has been deleted.
func put[T any](all map[string]T, data []byte) error {
	var is struct {
		ID      string `json:"id"`
		Deleted bool   `json:"deleted"`
	}
	if err := json.Unmarshal(data, &is); err != nil {
		return err
	}
	if is.Deleted {
		delete(all, is.ID)
		return nil
	}
	var resource T
	if err := json.Unmarshal(data, &resource); err != nil {
		return err
	}
	all[is.ID] = resource
	return nil
}
