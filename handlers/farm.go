package handlers

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// Farm is the Farm as it is answered.
type Farm struct {
	Version  string         `json:"version"` // of the server that answers
	Self     ServerName     `json:"self"`    // the server that answers
	Sites    []SiteSummary  `json:"sites"`
	Etcd     Etcd           `json:"etcd"`
	Bounds   TakeoverBounds `json:"takeoverBounds"`
	LeaseTTL Duration       `json:"leaseTTL" swaggertype:"string" example:"5s"` // of a broker's presence
	Revision farm.Revision  `json:"revision" swaggertype:"integer" format:"int64" example:"812"`
} //@name Farm

// ServerName names the broker that a server is; both are empty if it is none.
type ServerName struct {
	Site   farm.SiteID   `json:"site" swaggertype:"string" example:"hq"`
	Broker farm.BrokerID `json:"broker" swaggertype:"string" example:"cb-1"`
} //@name ServerName

// SiteSummary is a Site in few words.
type SiteSummary struct {
	ID               farm.SiteID `json:"id" swaggertype:"string" example:"hq"`
	Name             string      `json:"name" example:"Headquarters"`
	HighAvailability farm.State  `json:"highAvailability" swaggertype:"string" enums:"off,on,degraded,lost" example:"on"`
} //@name SiteSummary

// Etcd is how storage is.
type Etcd struct {
	Healthy bool         `json:"healthy" example:"true"`
	Problem string       `json:"problem"` // a sentence, if anything is wrong
	Version string       `json:"version" example:"3.7.3"`
	Size    int64        `json:"size" example:"204800"`      // bytes of the database
	Quota   int64        `json:"quota" example:"2147483648"` // bytes at which it takes no more writes; 0: not known
	Alarms  []string     `json:"alarms"`                     // for example NOSPACE
	Members []EtcdMember `json:"members"`
} //@name Etcd

// EtcdMember is one member of the etcd cluster.
type EtcdMember struct {
	Name     string `json:"name"`
	Endpoint string `json:"endpoint" example:"http://127.0.0.1:2379"`
	Healthy  bool   `json:"healthy" example:"true"`
	Leader   bool   `json:"leader"`
	Problem  string `json:"problem"`
} //@name EtcdMember

// TakeoverBounds are the longest times a Provider may be without an owner that
// can act, connecting not included.
type TakeoverBounds struct {
	BrokerLost          Duration `json:"brokerLost" swaggertype:"string" example:"6s"`           // a broker dies or is cut off
	BrokerAndEtcdLeader Duration `json:"brokerAndEtcdLeader" swaggertype:"string" example:"14s"` // together with etcd's leader
	PlannedMove         Duration `json:"plannedMove" swaggertype:"string" example:"500ms"`       // a planned handover
} //@name TakeoverBounds

func etcdOf(h store.Health) Etcd {
	members := make([]EtcdMember, 0, len(h.Members))
	for _, m := range h.Members {
		members = append(members, EtcdMember(m))
	}
	return Etcd{
		Healthy: h.Answers && len(h.Alarms) == 0, Problem: h.Problem, Version: h.Version, Size: h.Size, Quota: h.Quota,
		Alarms: filled(h.Alarms), Members: members,
	}
}

// getFarm shows the Farm.
//
//	@Summary		Get the Farm
//	@Description	The server's version, the Sites, etcd's health, and how long takeovers take at most.
//	@ID				getFarm
//	@Tags			Farm
//	@Produce		json
//	@Success		200	{object}	Farm	"The Farm."
//	@Router			/api/v1/farm [get]
func (a *API) getFarm(w http.ResponseWriter, r *http.Request) error {
	view, err := a.Store.Current(r.Context())
	if err != nil {
		return fmt.Errorf("read Farm: %w", err)
	}
	all := []SiteSummary{}
	for _, id := range slices.Sorted(maps.Keys(view.Sites)) {
		p := view.Sites[id]
		all = append(all, SiteSummary{ID: id, Name: p.Site.Value.Name, HighAvailability: p.SiteStatus().HighAvailability.State})
	}
	return reply(w, http.StatusOK, Farm{
		Version: a.Version, Self: ServerName{a.Self.Site, a.Self.Broker}, Sites: all, Etcd: etcdOf(a.Store.Health(r.Context())),
		Bounds: TakeoverBounds{
			BrokerLost:          Duration(a.Bounds.BrokerLost),
			BrokerAndEtcdLeader: Duration(a.Bounds.BrokerAndStorageLeader),
			PlannedMove:         Duration(a.Bounds.PlannedMove),
		},
		LeaseTTL: Duration(a.Timing.TTL), Revision: view.Revision,
	})
}

// Alive says that the process runs.
type Alive struct {
	Status string `json:"status" example:"ok"`
} //@name Alive

// healthz says that the process runs.
//
//	@Summary		Ask whether the process runs
//	@Description	Never asks etcd: for restarting a process that hangs. Needs no token.
//	@ID				getHealthz
//	@Tags			Farm
//	@Produce		json
//	@Success		200	{object}	Alive	"The process runs."
//	@Router			/healthz [get]
func (a *API) healthz(w http.ResponseWriter, _ *http.Request) error {
	return reply(w, http.StatusOK, Alive{Status: "ok"})
}
