package handlers

import (
	"maps"
	"net/http"
	"slices"

	"github.com/quorate/quorate/farm"
)

// Host is a Host as it is answered.
type Host struct {
	ID          farm.HostID     `json:"id" swaggertype:"string" example:"vm-1042"`
	Provider    farm.ProviderID `json:"provider" swaggertype:"string" example:"vc-1"`
	Name        string          `json:"name" example:"desk-17"`
	State       farm.HostState  `json:"state" swaggertype:"string" enums:"on,off,suspended,starting,stopping,unknown" example:"on"`
	Available   bool            `json:"available" example:"true"` // to users: on, not in maintenance, and its Provider is connected
	Addresses   []string        `json:"addresses" example:"10.1.0.17"`
	GuestOS     string          `json:"guestOS" example:"Windows 11"`
	Maintenance bool            `json:"maintenance"`
	AsOf        *Time           `json:"asOf,omitempty" swaggertype:"string" format:"date-time"` // when its Provider's owner saw it so
	Epoch       farm.Epoch      `json:"epoch" swaggertype:"integer" format:"int64" example:"7"` // of the owner that saw it so
} //@name Host

func hostOf(p *farm.Picture, provider farm.ProviderID, h farm.Host) Host {
	return Host{
		ID: h.ID, Provider: provider, Name: h.Name, State: h.State, Available: p.HostAvailable(provider, h),
		Addresses: filled(h.Addresses), GuestOS: h.GuestOS, Maintenance: h.Maintenance, AsOf: since(h.AsOf), Epoch: h.Epoch,
	}
}

// place is where a Host is in a Site.
type place struct {
	provider farm.ProviderID
	host     farm.HostID
}

// listHosts lists Hosts of a Site or of one Provider.
//
//	@Summary		List Hosts
//	@Description	Lists the Hosts of a Site, or of one of its Providers, in order of Provider and id. While a Provider is not connected its Hosts are listed as last known and are not available. All pages of one walk show one revision.
//	@ID				listHosts
//	@Tags			Hosts
//	@Produce		json
//	@Param			site		path		string		true	"The Site's id."
//	@Param			provider	query		string		false	"Only Hosts of this Provider."
//	@Param			available	query		bool		false	"Only Hosts that are available to users, or only those that are not."
//	@Param			limit		query		int			false	"How many Hosts a page has."	default(100)	minimum(1)	maximum(1000)
//	@Param			continue	query		string		false	"From the page before: shows the next one."
//	@Success		200			{object}	Page[Host]	"One page of Hosts."
//	@Router			/api/v1/sites/{site}/hosts [get]
func (a *API) listHosts(w http.ResponseWriter, r *http.Request) error {
	wk, err := walkOf(r)
	if err != nil {
		return err
	}
	available, err := flag(r, "available")
	if err != nil {
		return err
	}
	p, at, err := a.listed(r.Context(), siteID(r), wk)
	if err != nil {
		return err
	}
	ids := slices.Sorted(maps.Keys(p.Providers))
	if one := farm.ProviderID(r.URL.Query().Get("provider")); one != "" {
		ids = []farm.ProviderID{one}
		if _, ok := p.Providers[one]; !ok { // not an empty list: it would look as if all were well
			return problem("malformed", "The query parameter provider is %q, which is no Provider of the Site. Send the id of one, or leave it out.", one)
		}
	}
	if one := providerID(r); one != "" {
		ids = []farm.ProviderID{one}
		if _, ok := p.Providers[one]; !ok {
			return noProvider(one)
		}
	}
	keep := func(farm.ProviderID, farm.Host) bool { return true }
	if r.URL.Query().Get("available") != "" {
		keep = func(id farm.ProviderID, h farm.Host) bool { return p.HostAvailable(id, h) == available }
	}
	return reply(w, http.StatusOK, pageOf(wk, at, places(p, ids, keep), func(at place) Host {
		return hostOf(p, at.provider, p.Hosts[at.provider][at.host])
	}))
}

// listProviderHosts documents listHosts for one Provider.
//
//	@Summary		List a Provider's Hosts
//	@Description	Lists the Hosts of a Provider in order of id, as last known. All pages of one walk show one revision.
//	@ID				listProviderHosts
//	@Tags			Hosts
//	@Produce		json
//	@Param			site		path		string		true	"The Site's id."
//	@Param			provider	path		string		true	"The Provider's id."
//	@Param			available	query		bool		false	"Only Hosts that are available to users, or only those that are not."
//	@Param			limit		query		int			false	"How many Hosts a page has."	default(100)	minimum(1)	maximum(1000)
//	@Param			continue	query		string		false	"From the page before: shows the next one."
//	@Success		200			{object}	Page[Host]	"One page of Hosts."
//	@Router			/api/v1/sites/{site}/providers/{provider}/hosts [get]
func (a *API) listProviderHosts(w http.ResponseWriter, r *http.Request) error {
	return a.listHosts(w, r)
}

// places lists the Hosts of Providers that are to be kept, in order.
func places(p *farm.Picture, ids []farm.ProviderID, keep func(farm.ProviderID, farm.Host) bool) []place {
	all := []place{}
	for _, id := range ids {
		if _, ok := p.Providers[id]; !ok {
			continue
		}
		for _, host := range slices.Sorted(maps.Keys(p.Hosts[id])) {
			if keep(id, p.Hosts[id][host]) {
				all = append(all, place{id, host})
			}
		}
	}
	return all
}

// getHost shows a Host.
//
//	@Summary		Get a Host
//	@Description	A Host as its Provider's owner saw it last. Encode a slash in its id as %2F.
//	@ID				getHost
//	@Tags			Hosts
//	@Produce		json
//	@Param			site		path		string	true	"The Site's id."
//	@Param			provider	path		string	true	"The Provider's id."
//	@Param			host		path		string	true	"The Host's id."
//	@Success		200			{object}	Host	"The Host."
//	@Router			/api/v1/sites/{site}/providers/{provider}/hosts/{host} [get]
func (a *API) getHost(w http.ResponseWriter, r *http.Request) error {
	p, err := a.current(r)
	if err != nil {
		return err
	}
	if _, ok := p.Providers[providerID(r)]; !ok {
		return noProvider(providerID(r))
	}
	h, ok := p.Hosts[providerID(r)][farm.HostID(param(r, "host"))]
	if !ok {
		return problem("not-found", "The Provider has no Host %q.", param(r, "host"))
	}
	return reply(w, http.StatusOK, hostOf(p, providerID(r), h))
}
