package broker

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/quorate/quorate/farm"
)

// network carries what brokers say to each other.
type network struct {
	mu    sync.Mutex
	lines map[farm.BrokerID]*Line
	cut   map[[2]farm.BrokerID]bool // from, to
}

func newNetwork() *network {
	return &network{lines: map[farm.BrokerID]*Line{}, cut: map[[2]farm.BrokerID]bool{}}
}

// line is a broker's own, at the address that the lab gives it.
func (n *network) line(id farm.BrokerID) *Line {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines[id] = NewLine(func(ctx context.Context, address string, message []byte) ([]byte, error) {
		to := farm.BrokerID(strings.TrimPrefix(address, "http://"))
		n.mu.Lock()
		other, away := n.lines[to], n.cut[[2]farm.BrokerID{id, to}]
		n.mu.Unlock()
		if away {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		if other == nil {
			return nil, errors.New("connection refused")
		}
		return other.Answer(message)
	})
	return n.lines[id]
}

// one cuts or heals what goes from a to b.
func (n *network) one(a, b farm.BrokerID, away bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[[2]farm.BrokerID{a, b}] = away
}

// between cuts or heals everything between two groups.
func (n *network) between(these, those []farm.BrokerID, away bool) {
	for _, a := range these {
		for _, b := range those {
			n.one(a, b, away)
			n.one(b, a, away)
		}
	}
}
