package handlers

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/quorate/quorate/farm"
)

// Trial is what to try on a Site without doing it.
type Trial struct {
	Fail      []string   `json:"fail,omitempty" example:"cb-1"` // brokers that go offline
	Restore   []string   `json:"restore,omitempty"`             // brokers that come back, and have been back for the hold-down
	Partition [][]string `json:"partition,omitempty"`           // groups of brokers in contact only with each other; one that is in no group is cut off from all
	Set       *TrialSet  `json:"set,omitempty"`
} //@name Trial

// TrialSet is settings to try: merge patches.
type TrialSet struct {
	Site      object            `json:"site,omitempty" swaggertype:"object"`             // merge patch of the Site
	Brokers   map[string]object `json:"brokers,omitempty" swaggertype:"object,object"`   // merge patches by broker id
	Providers map[string]object `json:"providers,omitempty" swaggertype:"object,object"` // merge patches by Provider id
} //@name TrialSet

// Prediction is what a Trial would lead to.
type Prediction struct {
	HighAvailability HighAvailability    `json:"highAvailability"`
	Providers        []PredictedProvider `json:"providers"`                                                               // all, in order of id
	HostsAffected    int                 `json:"hostsAffected" example:"40"`                                              // Hosts of Providers that change owner or lose it
	LongestOutage    *Duration           `json:"longestOutage" swaggertype:"string" extensions:"x-nullable" example:"6s"` // of any Provider, connecting not included; null if unbounded
	Unbounded        bool                `json:"unbounded"`                                                               // a Provider stays without an owner
	Revision         farm.Revision       `json:"revision" swaggertype:"integer" format:"int64" example:"812"`             // that it was computed from
} //@name Prediction

// PredictedProvider is what would become of one Provider.
type PredictedProvider struct {
	ID      farm.ProviderID `json:"id" swaggertype:"string" example:"vc-1"`
	Before  farm.BrokerID   `json:"before" swaggertype:"string" example:"cb-1"`           // the owner now; empty: nobody
	After   farm.BrokerID   `json:"after" swaggertype:"string" example:"cb-2"`            // the owner then; empty: nobody
	Reason  farm.Reason     `json:"reason" swaggertype:"string" example:"broker-offline"` // why it moves or has no owner; empty: it stays
	Message string          `json:"message"`
	Hosts   int             `json:"hosts" example:"40"`
} //@name PredictedProvider

func predictionOf(p farm.Prediction, rev farm.Revision) Prediction {
	all := make([]PredictedProvider, 0, len(p.Providers))
	for _, v := range p.Providers {
		all = append(all, PredictedProvider{ID: v.Provider, Before: v.Before, After: v.After, Reason: v.Reason, Message: v.Message, Hosts: v.Hosts})
	}
	shown := Prediction{
		HighAvailability: highAvailabilityOf(p.HighAvailability), Providers: all, HostsAffected: p.HostsAffected,
		Unbounded: p.Unbounded, Revision: rev,
	}
	if !p.Unbounded {
		longest := Duration(p.LongestOutage)
		shown.LongestOutage = &longest
	}
	return shown
}

// simulate says what would happen.
//
//	@Summary		Ask what would happen if
//	@Description	Tries losses, returns, network partitions and settings on the Site as it is now, by the very rules that decide for real, and says what they would lead to. Changes nothing.
//	@ID				simulate
//	@Tags			Sites
//	@Accept			json
//	@Produce		json
//	@Param			site	path		string		true	"The Site's id."
//	@Param			body	body		Trial		true	"What to try."
//	@Success		200		{object}	Prediction	"What it would lead to."
//	@Router			/api/v1/sites/{site}/simulate [post]
func (a *API) simulate(w http.ResponseWriter, r *http.Request) error {
	o, err := readObject(r, jsonType)
	if err != nil {
		return err
	}
	t, err := into[Trial](o, "")
	if err != nil {
		return err
	}
	p, err := a.current(r)
	if err != nil {
		return err
	}
	trial, err := a.trialOf(p, t, o)
	if err != nil {
		return err
	}
	prediction, err := p.Simulate(trial, a.Bounds)
	if err != nil {
		return unknownBroker(err, "")
	}
	return reply(w, http.StatusOK, predictionOf(prediction, p.Revision))
}

// trialOf makes the Trial; everything it names must be there.
func (a *API) trialOf(p *farm.Picture, t Trial, o object) (farm.Trial, error) {
	var f faults
	trial := farm.Trial{Fail: f.brokers(p, t.Fail, "/fail"), Restore: f.brokers(p, t.Restore, "/restore")}
	for i, group := range t.Partition {
		trial.Partition = append(trial.Partition, f.brokers(p, group, "/partition/"+strconv.Itoa(i)))
	}
	f.once(t)
	set, _ := o["set"].(object)
	if err := a.settingsOf(p, set, &trial, &f); err != nil {
		return trial, err
	}
	return trial, f.err()
}

// brokers makes broker ids of names and adds a fault for each unknown one.
func (f *faults) brokers(p *farm.Picture, names []string, at string) []farm.BrokerID {
	ids := make([]farm.BrokerID, 0, len(names))
	for i, name := range names {
		if _, ok := p.Brokers[farm.BrokerID(name)]; !ok {
			f.add(at+"/"+strconv.Itoa(i), "is not a broker of the Site")
		}
		ids = append(ids, farm.BrokerID(name))
	}
	return ids
}

// once adds a fault for each broker that is to be in two places.
func (f *faults) once(t Trial) {
	for i, name := range t.Restore {
		if slices.Contains(t.Fail, name) {
			f.add("/restore/"+strconv.Itoa(i), "is in fail too")
		}
	}
	seen := map[string]bool{}
	for i, group := range t.Partition {
		for j, name := range group {
			if seen[name] {
				f.add(fmt.Sprintf("/partition/%d/%d", i, j), "is in two groups")
			}
			seen[name] = true
		}
	}
}

// settingsOf adds the settings to try, each a merge patch of what is stored.
func (a *API) settingsOf(p *farm.Picture, set object, trial *farm.Trial, f *faults) error {
	if patch, ok := set["site"].(object); ok {
		o, err := patched(siteOf(p), patch)
		if err != nil {
			return err
		}
		next, err := siteFrom(p, o, "/set/site")
		if err != nil {
			return err
		}
		trial.Site = &next
	}
	brokers, _ := set["brokers"].(object)
	for _, name := range slices.Sorted(maps.Keys(brokers)) {
		at := "/set/brokers/" + escape(name)
		was, ok := p.Brokers[farm.BrokerID(name)]
		if !ok {
			f.add(at, "is not a broker of the Site")
			continue
		}
		patch, _ := brokers[name].(object)
		o, err := patched(brokerOf(p, was.Value.ID), patch)
		if err != nil {
			return err
		}
		next, err := brokerFrom(p, was, o, at)
		if err != nil {
			return err
		}
		trial.Brokers = append(trial.Brokers, next)
	}
	providers, _ := set["providers"].(object)
	for _, name := range slices.Sorted(maps.Keys(providers)) {
		at := "/set/providers/" + escape(name)
		was, ok := p.Providers[farm.ProviderID(name)]
		if !ok {
			f.add(at, "is not a Provider of the Site")
			continue
		}
		patch, _ := providers[name].(object)
		o, err := patchedProvider(p, was.Value.ID, patch)
		if err != nil {
			return err
		}
		next, err := a.providerTried(p, was, o, at)
		if err != nil {
			return err
		}
		trial.Providers = append(trial.Providers, next)
	}
	return nil
}

// providerTried is providerFrom without the rule of three active brokers and
// without the type's own check: what is tried need not be allowed now.
func (a *API) providerTried(p *farm.Picture, was farm.Stored[farm.Provider], o object, at string) (farm.Provider, error) {
	b, err := providerBody(o, at)
	if err != nil {
		return farm.Provider{}, err
	}
	next, _ := b.apply(was.Value)
	if next.Preferred.Mode == farm.PreferenceManual {
		if _, ok := p.Brokers[next.Preferred.Broker]; !ok {
			return next, invalid(Fault{at + preferredBroker, "is not a broker of the Site"})
		}
	}
	return next, nil
}
