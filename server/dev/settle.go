package dev

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"github.com/quorate/quorate/server/client"
)

// settleTimeout is how long a machine may take to get everything connected.
const settleTimeout = 90 * time.Second

// settle makes the Site's Providers, once the brokers are online, and returns
// how the Site is when all are connected.
func (d *run) settle(ctx context.Context) (client.State, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, fmt.Errorf("not everything is there after %v; the brokers' logs are in %s", settleTimeout, d.dir.file("logs")))
	defer cancel()

	here, err := d.api.Await(ctx, site, "all brokers are online", func(s client.State) bool {
		return d.ours(s) && s.Site.Status.Coordinator != ""
	})
	if err != nil {
		return here, err
	}
	if err := d.setHoldDown(ctx, here.Site); err != nil {
		return here, err
	}
	for i := range d.sims {
		if err := d.putProvider(ctx, i, here.Providers); err != nil {
			return here, err
		}
	}
	here, err = d.api.Await(ctx, site, "all Providers are connected", func(s client.State) bool {
		if !d.ours(s) {
			return false
		}
		for i := range d.sims {
			if s.Providers[providerID(i)].Status.State != "connected" {
				return false
			}
		}
		return true
	})
	if err != nil {
		return here, err
	}
	d.mu.Lock()
	d.settled = true
	d.mu.Unlock()
	d.writeFacts()
	return here, nil
}

// ours reports whether every broker is online, and with a life that this run has
// begun: one of a run that was killed is there until its lease ends.
func (d *run) ours(s client.State) bool {
	for _, b := range d.all {
		if s.Brokers[b.id].Status.Incarnation <= d.began {
			return false
		}
	}
	return true
}

func (d *run) setHoldDown(ctx context.Context, now client.Site) error {
	if d.HoldDown == 0 || now.Failback.HoldDown == d.HoldDown.String() {
		return nil
	}
	patch := map[string]any{"failback": map[string]any{"holdDown": d.HoldDown.String()}}
	return d.api.Do(ctx, http.MethodPatch, "/sites/"+site, patch, nil)
}

// putProvider makes a simulator's Provider, or tells the one of an earlier run
// where its simulator is now. Who is preferred is left to the rule.
func (d *run) putProvider(ctx context.Context, i int, known map[string]client.Provider) error {
	id, sim := providerID(i), d.sims[i]
	where := map[string]any{
		"address":     sim.URL(),
		"credentials": map[string]any{"username": sim.Username(), "password": sim.Password()},
		"options":     map[string]any{"caCertificate": sim.CertificatePEM()},
	}
	path := "/sites/" + site + "/providers"
	if _, ok := known[id]; ok {
		return d.api.Do(ctx, http.MethodPatch, path+"/"+id, where, nil)
	}
	where["id"], where["type"] = id, "vsphere"
	where["name"] = fmt.Sprintf("vSphere simulator %d", i+1)
	return d.api.Do(ctx, http.MethodPost, path, where, nil)
}

func newPassword() string { return rand.Text() }
