package server

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"

	"github.com/quorate/quorate/broker"
	"github.com/quorate/quorate/farm"
)

// Call is a line of --call-log: a request to a Provider that was allowed.
type Call struct {
	At          int64            `json:"at"` // nanoseconds of the clock that all processes of a machine share
	Site        farm.SiteID      `json:"site"`
	Broker      farm.BrokerID    `json:"broker"`
	Incarnation farm.Incarnation `json:"incarnation"`
	Provider    farm.ProviderID  `json:"provider"`
	Epoch       farm.Epoch       `json:"epoch"`
}

// callLog writes each Call before it begins, in one write, so that whoever is
// killed has written all that it did.
type callLog struct {
	site farm.SiteID
	file *os.File
	log  *slog.Logger
}

func openCallLog(path string, site farm.SiteID, log *slog.Logger) (*callLog, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--call-log: %w", err)
	}
	return &callLog{site: site, file: f, log: log}, nil
}

func (c *callLog) Now() int64 { return Monotonic() }

func (c *callLog) Allowed(call broker.Call) {
	line, err := json.Marshal(Call{
		At: call.At, Site: c.site, Broker: call.Life.Broker, Incarnation: call.Life.Incarnation,
		Provider: call.Provider, Epoch: call.Epoch,
	})
	if err == nil {
		_, err = c.file.Write(append(line, '\n'))
	}
	if err != nil {
		c.log.Error("a call is not in the log of calls", "err", err)
	}
}
