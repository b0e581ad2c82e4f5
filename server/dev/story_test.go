package dev

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/quorate/quorate/provider/vsphere/vspheresim"
	"github.com/quorate/quorate/server/client"
	"github.com/quorate/quorate/server/guard"
)

func TestTheWelcomeSaysWhatThereIsAndNotWhatWasAskedFor(t *testing.T) {
	d := &run{all: []*broker{{id: "cb-1"}, {id: "cb-2"}}, sims: make([]*vspheresim.Server, 1)}
	d.Brokers, d.Providers = 2, 1
	now := client.State{
		Brokers:   map[string]client.Broker{"cb-1": {Mode: "active"}, "cb-2": {Mode: "standby"}, "cb-3": {Mode: "active"}, "cb-4": {}},
		Providers: map[string]client.Provider{"vc-1": {}, "vc-2": {}, "pcs": {}},
	}
	elsewhere, pcs := now.Brokers["cb-4"], now.Providers["pcs"]
	elsewhere.Status.State, pcs.Status.State = "online", "connected"
	now.Brokers["cb-4"], now.Providers["pcs"] = elsewhere, pcs
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
		d.died(t.Context(), b, guard.End{PID: 1})
	}
}

func TestALifeOfARunThatWasKilledIsNotOurs(t *testing.T) {
	d := &run{all: []*broker{{id: "cb-1"}, {id: "cb-2"}}, began: 100}
	for _, c := range []struct {
		first, second int64
		ours          bool
	}{{99, 101, false}, {100, 101, false}, {101, 0, false}, {101, 102, true}} {
		var one, two client.Broker
		one.Status.Incarnation, two.Status.Incarnation = c.first, c.second
		if got := d.ours(client.State{Brokers: map[string]client.Broker{"cb-1": one, "cb-2": two}}); got != c.ours {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
