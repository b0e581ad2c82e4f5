package server

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// newRegistry holds the metrics of one server; nothing is global.
func newRegistry(version string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "quorate_build_info", Help: "Always 1; its label says which version runs.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		info,
	)
	return r
}

// observer counts and times requests by their route's pattern, so that the
// number of series does not grow with the number of things.
func observer(r prometheus.Registerer) func(method, route string, status int, took time.Duration) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "quorate_http_requests_total", Help: "Requests answered; a watch counts when it ends.",
	}, []string{"method", "route", "code"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "quorate_http_request_duration_seconds", Help: "Time to answer a request; watches are left out.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 3},
	}, []string{"method", "route"})
	r.MustRegister(requests, seconds)

	return func(method, route string, status int, took time.Duration) {
		method = knownMethod(method)
		if route == "" {
			route = "none"
		}
		requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
		if !strings.HasSuffix(route, "/watch") {
			seconds.WithLabelValues(method, route).Observe(took.Seconds())
		}
	}
}

func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}
