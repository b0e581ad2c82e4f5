package server

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/mem"
)

// aSite is a Site with one broker that is not there and one Provider.
func aSite(t *testing.T) store.Store {
	t.Helper()
	st := mem.New()
	site := farm.NewSite("hq")
	change := store.Change{
		PutSite:     &site,
		PutBrokers:  []farm.Broker{{ID: "cb-1", Mode: farm.ModeActive, Enabled: true}},
		PutProvider: &farm.Provider{ID: "vc-1", Enabled: true, Preferred: farm.Manual("cb-1")},
	}
	if _, err := st.Edit(t.Context(), "hq", func(*farm.Picture) (store.Change, error) { return change, nil }); err != nil {
		t.Fatal(err)
	}
	return st
}

func TestMetricsTellHowASiteStands(t *testing.T) {
	r := prometheus.NewRegistry()
	r.MustRegister(newFarmMetrics(aSite(t)))
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"quorate_site_high_availability hq off":  1,
		"quorate_site_high_availability hq lost": 0,
		"quorate_site_seats hq":                  1,
		"quorate_site_brokers_online hq":         0,
		"quorate_site_providers hq unavailable":  1,
		"quorate_site_providers hq connected":    0,
	} {
		if is, there := got[name]; !there || is != want {
			t.Errorf("%s is %v (there: %v), want %v", name, is, there, want)
		}
	}
}
