package remotepc

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/quorate/quorate/provider"
)

func TestCheckSaysWhatIsWrong(t *testing.T) {
	const one = `"machines":[{"id":"a","address":"pc"}]`
	cases := []struct {
		name   string
		target provider.Target
		want   string
	}{
		{"no options", provider.Target{}, "at least one machine"},
		{"no machines", options1(`{"machines":[]}`), "at least one machine"},
		{"an address of its own", provider.Target{Address: "x", Options: json.RawMessage("{" + one + "}")}, "has none of its own"},
		{"a user", provider.Target{Username: "x", Options: json.RawMessage("{" + one + "}")}, "nobody logs in"},
		{"no id", options1(`{"machines":[{"address":"pc"}]}`), "machines[0]: id is missing"},
		{"an id twice", options1(`{"machines":[{"id":"a","address":"p"},{"id":"a","address":"q"}]}`), "machines[1]: another machine has the id a"},
		{"no machine's address", options1(`{"machines":[{"id":"a"}]}`), "has no host"},
		{"a bad port", options1(`{"machines":[{"id":"a","address":"pc:0"}]}`), "is not a port"},
		{"a URL", options1(`{"machines":[{"id":"a","address":"https://pc"}]}`), "machines[0]: address"},
		{"an unknown field of a machine", options1(`{"machines":[{"id":"a","address":"pc","ip":"x"}]}`), "ip"},
		{"a number as an interval", options1(`{` + one + `,"interval":"5"}`), "interval"},
		{"an interval that is too short", options1(`{` + one + `,"interval":"1ms"}`), "interval: 1ms is not between"},
		{"a timeout that is too long", options1(`{` + one + `,"timeout":"1h"}`), "timeout: 1h0m0s is not between"},
		{"all faults at once", provider.Target{Address: "x"}, "at least one machine"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := Driver{}.Check(c.target)
			if !errors.Is(err, provider.ErrInvalidOptions) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("check says %v, want %q", err, c.want)
			}
		})
	}
}

func TestAddressesAreCompleted(t *testing.T) {
	for in, want := range map[string]string{
		"pc.example.com":      "pc.example.com:3389",
		"pc.example.com:3390": "pc.example.com:3390",
		"192.0.2.7":           "192.0.2.7:3389",
		"2001:db8::7":         "[2001:db8::7]:3389",
		"[2001:db8::7]":       "[2001:db8::7]:3389",
		"[2001:db8::7]:3390":  "[2001:db8::7]:3390",
	} {
		host, port, err := split(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if got := (machine{host: host, port: port}).target(); got != want {
			t.Errorf("%s is completed to %s, want %s", in, got, want)
		}
	}
}

func options1(s string) provider.Target { return provider.Target{Options: json.RawMessage(s)} }
