package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// farmMetrics tells how every Site stands, from the newest View, when it is
// asked: what an alert is made of. Every server tells the same.
type farmMetrics struct {
	store                                    store.Store
	state, seats, serving, online, providers *prometheus.Desc
}

func newFarmMetrics(st store.Store) *farmMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("quorate_site_"+name, help, append([]string{"site"}, labels...), nil)
	}
	return &farmMetrics{
		store:     st,
		state:     desc("high_availability", "1 for the state that high availability of the Site is in, 0 for the others.", "state"),
		seats:     desc("seats", "Seats of the Site."),
		serving:   desc("serving", "Occupants in the serving group."),
		online:    desc("brokers_online", "Brokers that are online."),
		providers: desc("providers", "Providers by state.", "state"),
	}
}

// Describe implements prometheus.Collector.
func (m *farmMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.state, m.seats, m.serving, m.online, m.providers} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *farmMetrics) Collect(ch chan<- prometheus.Metric) {
	for id, p := range m.store.Latest().Sites {
		gauge := func(d *prometheus.Desc, n int, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), append([]string{string(id)}, labels...)...)
		}
		ha := p.SiteStatus().HighAvailability
		for _, s := range []farm.State{farm.StateOff, farm.StateOn, farm.StateDegraded, farm.StateLost} {
			is := 0
			if s == ha.State {
				is = 1
			}
			gauge(m.state, is, string(s))
		}
		gauge(m.seats, len(ha.Seats))
		gauge(m.serving, len(p.Seats.Value.Serving))
		gauge(m.online, len(p.Presence))
		count := map[farm.ProviderState]int{}
		for provider := range p.Providers {
			count[p.ProviderStatus(provider).State]++
		}
		for _, s := range []farm.ProviderState{
			farm.ProviderConnected, farm.ProviderConnecting, farm.ProviderFailed,
			farm.ProviderUnavailable, farm.ProviderAbandoned, farm.ProviderDisabled,
		} {
			gauge(m.providers, count[s], string(s))
		}
	}
}
