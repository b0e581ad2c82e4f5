package dev

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/quorate/quorate/provider/vsphere/vspheresim"
	"github.com/quorate/quorate/server/client"
)

func TestTheStoryIsToldInSentences(t *testing.T) {
	for _, c := range []struct {
		event client.Event
		want  string
	}{
		{client.Event{Type: "provider.owner-changed", Subject: "providers/vc-1", From: "cb-1", To: "cb-2", Epoch: 2, Reason: "broker-offline", Message: "Broker cb-1 is offline."},
			"vc-1: cb-1 → cb-2, epoch 2 (broker-offline). Broker cb-1 is offline."},
		{client.Event{Type: "provider.owner-changed", Subject: "providers/vc-1", From: "cb-1", Epoch: 3, Reason: "majority-lost"},
			"vc-1: cb-1 → nobody, epoch 3 (majority-lost)"},
		{client.Event{Type: "provider.state-changed", Subject: "providers/vc-1", From: "connecting", To: "connected"},
			"vc-1: connecting → connected"},
		{client.Event{Type: "broker.offline", Subject: "brokers/cb-1", Message: "Broker cb-1 is offline."},
			"Broker cb-1 is offline."},
		{client.Event{Type: "site.high-availability-changed", Subject: "site", From: "on", To: "lost", Reason: "majority-lost"},
			"high availability: on → lost (majority-lost)"},
		{client.Event{Type: "something.new", Subject: "site"}, "something.new site"},
	} {
		if got := sentence(c.event); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestTheWelcomeSaysWhatThereIsAndNotWhatWasAskedFor(t *testing.T) {
	d := &run{all: []*broker{{id: "cb-1"}, {id: "cb-2"}}, sims: make([]*vspheresim.Server, 1)}
	d.Brokers, d.Providers = 2, 1
	now := client.State{
		Brokers:   map[string]client.Broker{"cb-1": {Mode: "active"}, "cb-2": {Mode: "standby"}, "cb-3": {Mode: "active"}},
		Providers: map[string]client.Provider{"vc-1": {}, "vc-2": {}},
	}
	if got, want := d.contents(now), "1 active broker, 1 standby broker, 1 Provider"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := strings.Join(d.leftovers(now), " "), "cb-3 vc-2"; got != want {
		t.Errorf("left over: %q, want %q", got, want)
	}
	if got := count(0, "VM"); got != "0 VMs" {
		t.Error(got)
	}
}

func TestADeadBrokerHasNoProcessToKill(t *testing.T) {
	b := &broker{id: "cb-1"}
	d := &run{all: []*broker{b}, dir: &directory{path: t.TempDir()}, say: &teller{out: os.Stderr}, pids: map[string]int{}, settled: true}
	d.started(b, 4711)
	for _, pid := range []any{float64(4711), nil} {
		var facts struct{ Brokers []map[string]any }
		content, err := os.ReadFile(d.dir.file("dev.json"))
		if err == nil {
			err = json.Unmarshal(content, &facts)
		}
		if err != nil || len(facts.Brokers) != 1 || facts.Brokers[0]["id"] != "cb-1" || facts.Brokers[0]["pid"] != pid {
			t.Errorf("want %v: %s, %v", pid, content, err)
		}
		d.died(b)
	}
}
