package broker

import "github.com/prometheus/client_golang/prometheus"

// metrics is what a broker counts.
type metrics struct {
	coordinator prometheus.Gauge
	owned       prometheus.Gauge
	planning    prometheus.Histogram
	renewals    *prometheus.CounterVec
	connects    *prometheus.CounterVec
	without     prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		coordinator: prometheus.NewGauge(prometheus.GaugeOpts{Name: "quorate_coordinator",
			Help: "1 while this broker is the coordinator of its Site."}),
		owned: prometheus.NewGauge(prometheus.GaugeOpts{Name: "quorate_agents",
			Help: "Provider Agents running in this broker."}),
		planning: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "quorate_plan_seconds",
			Help: "Time to plan a Site.", Buckets: prometheus.ExponentialBuckets(1e-5, 4, 10)}),
		renewals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "quorate_lease_renewals_total",
			Help: "Renewals of the broker's lease."}, []string{"result"}),
		connects: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "quorate_provider_connects_total",
			Help: "Attempts to connect to Providers."}, []string{"result"}),
		without: prometheus.NewGauge(prometheus.GaugeOpts{Name: "quorate_without_storage",
			Help: "1 while this broker keeps its Providers although etcd does not answer: all brokers say so, and leave each other what they own."}),
	}
	if r != nil {
		r.MustRegister(m.coordinator, m.owned, m.planning, m.renewals, m.connects, m.without)
	}
	return m
}

func (m *metrics) renewed(err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.renewals.WithLabelValues(result).Inc()
}
