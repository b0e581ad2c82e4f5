package handlers

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// Readiness says whether the server can do its work.
type Readiness struct {
	Ready    bool     `json:"ready"`
	Checks   []Check  `json:"checks"`
	Warnings []string `json:"warnings"` // what is wrong beside the checks
	// SecretKeys are the keys in this server's --secret-key-file, in the order in which they were added: their names, not the keys.
	SecretKeys []SecretKey `json:"secretKeys"`
} //@name Readiness

// SecretKey is what is told of a key that passwords are encrypted with.
type SecretKey struct {
	ID      uint32 `json:"id" swaggertype:"integer" format:"int64" example:"3141592653"` // as `quorate secret-key list` shows it
	Primary bool   `json:"primary"`                                                      // it encrypts; the others only decrypt
} //@name SecretKey

// Check is one thing that readiness needs.
type Check struct {
	Name   string `json:"name" enums:"etcd,snapshot,broker" example:"etcd"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"` // what is wrong
} //@name Check

// readyz says whether the server can do its work.
//
//	@Summary		Ask whether the server is ready
//	@Description	Ready when etcd answers, the server's snapshot is current and its broker, if it is one, is online; names what is not. Needs no token.
//	@ID				getReadyz
//	@Tags			Farm
//	@Produce		json
//	@Success		200	{object}	Readiness	"Ready."
//	@Failure		503	{object}	Readiness	"Not ready: `checks` says why."
//	@Router			/readyz [get]
func (a *API) readyz(w http.ResponseWriter, r *http.Request) error {
	h := a.Store.Health(r.Context())
	answer := Readiness{Ready: true, Checks: []Check{etcdCheck(h), snapshotCheck(h)}, Warnings: []string{}, SecretKeys: []SecretKey{}}
	for _, k := range h.SecretKeys {
		answer.SecretKeys = append(answer.SecretKeys, SecretKey(k))
	}
	if a.Self.Broker != "" {
		answer.Checks = append(answer.Checks, brokerCheck(a.Self, a.Store.Latest().Sites[a.Self.Site]))
	}
	for _, c := range answer.Checks {
		answer.Ready = answer.Ready && c.OK
	}
	told := slices.ContainsFunc(answer.Checks, func(c Check) bool { return c.Detail == h.Problem })
	if h.Problem != "" && !told {
		answer.Warnings = append(answer.Warnings, h.Problem)
	}
	if !answer.Ready {
		w.Header().Set("Retry-After", "1")
		return reply(w, http.StatusServiceUnavailable, answer)
	}
	return reply(w, http.StatusOK, answer)
}

func etcdCheck(h store.Health) Check {
	if h.Answers {
		return Check{Name: "etcd", OK: true}
	}
	return Check{Name: "etcd", Detail: or(nonEmpty(h.Problem), "etcd does not answer.")}
}

func snapshotCheck(h store.Health) Check {
	c := Check{Name: "snapshot", OK: h.Ready && h.Current}
	switch {
	case !h.Ready:
		c.Detail = or(nonEmpty(h.Problem), "The Farm has not been read from etcd yet.")
	case !h.Current:
		c.Detail = "The snapshot of the Farm has not caught up with etcd."
	}
	return c
}

// brokerCheck: a server is its broker only while the presence is its own. Another
// process may have the same name, or an earlier life of this one may not have
// ended yet.
func brokerCheck(self Self, p *farm.Picture) Check {
	c := Check{Name: "broker"}
	var here farm.Presence
	present := false
	if p != nil {
		here, present = p.Presence[self.Broker]
	}
	switch {
	case !present:
		c.Detail = fmt.Sprintf("Broker %s is not online.", self.Broker)
	case here.Process != self.Process:
		c.Detail = fmt.Sprintf("The name of broker %s is in use by another process, at %s since %s. "+
			"If that has just died, its lease is about to end; else two servers were given the same --broker: give this one another.",
			self.Broker, here.Address, here.Since.UTC().Format(time.RFC3339))
	default:
		c.OK = true
	}
	return c
}

func nonEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
