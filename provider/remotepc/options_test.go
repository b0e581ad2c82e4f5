package remotepc

import (
	"encoding/json"
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
		{"no options", provider.Target{}, "/options/machines must have at least one"},
		{"no machines", options1(`{"machines":[]}`), "/options/machines must have at least one"},
		{"an address of its own", provider.Target{Address: "x", Options: json.RawMessage("{" + one + "}")}, "/address must be left out"},
		{"a user", provider.Target{Username: "x", Options: json.RawMessage("{" + one + "}")}, "/credentials/username must be left out"},
		{"a password", provider.Target{Secret: "x", Options: json.RawMessage("{" + one + "}")}, "/credentials/password must be left out"},
		{"no id", options1(`{"machines":[{"address":"pc"}]}`), "/options/machines/0/id must be"},
		{"a long id", of(strings.Repeat("é", 127), "", "pc"), "/options/machines/0/id must be 1 to 253 bytes"},
		{"an id with a NUL", of("a\x00", "", "pc"), "/options/machines/0/id must be"},
		{"an id with a slash", of("a/b", "", "pc"), "/options/machines/0/id must be"},
		{"an id that URLs resolve", of("..", "", "pc"), "/options/machines/0/id must be"},
		{"a long name", of("a", strings.Repeat("é", 254), "pc"), "/options/machines/0/name must be"},
		{"a very long name", of("a", strings.Repeat("<", 900_000), "pc"), "/options/machines/0/name must be"},
		{"a name of two lines", of("a", "b\nc", "pc"), "/options/machines/0/name must be"},
		{"an id twice", options1(`{"machines":[{"id":"a","address":"p"},{"id":"a","address":"q"}]}`), "/options/machines/1/id is the id of another"},
		{"no machine's address", options1(`{"machines":[{"id":"a"}]}`), "/options/machines/0/address must be"},
		{"a bad port", of("a", "", "pc:0"), "/options/machines/0/address must be"},
		{"a URL", of("a", "", "https://pc"), "/options/machines/0/address must be"},
		{"a long address", of("a", "", strings.Repeat("p", 900_000)), "/options/machines/0/address must be"},
		{"an address with a NUL", of("a", "", "p\x00"), "/options/machines/0/address must be"},
		{"an unknown field of a machine", options1(`{"machines":[{"id":"a","address":"pc","ip":"x"}]}`), "/options/machines/0/ip is not an option"},
		{"a number as an interval", options1(`{` + one + `,"interval":"5"}`), "/options/interval must be a duration"},
		{"an interval that is too short", options1(`{` + one + `,"interval":"1ms"}`), "/options/interval must be a duration"},
		{"a timeout that is too long", options1(`{` + one + `,"timeout":"1h"}`), "/options/timeout must be a duration"},
		{"too many machines", options1(`{"machines":[` + strings.Repeat("{},", 10_000) + `{}]}`), "/options/machines must have at most 10000"},
		{"all faults at once", provider.Target{Address: "x"}, "/address must be left out: a PC pool has no address of its own, each of its machines has one; /options/machines must"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := Driver{}.Check(c.target).Err()
			if err == nil || !strings.Contains(err.Error(), ": "+c.want) || len(err.Error()) > 500 {
				t.Fatalf("check says %v, want %q", err, c.want)
			}
		})
	}
}

// What is wrong ten thousand times is told of a few times.
func TestFaultsOfMachinesAreBounded(t *testing.T) {
	faults := Driver{}.Check(options1(`{"machines":[` + strings.Repeat("{},", 9_999) + `{}]}`))
	if len(faults) != provider.MaxFaults {
		t.Fatalf("%d faults", len(faults))
	}
}

func TestNamesOfAnyScriptAreGood(t *testing.T) {
	for _, name := range []string{"a", strings.Repeat("é", 126) + "x", "Büro 7%", "...", `a\b`, "桌面"} {
		if faults := (Driver{}).Check(of(name, name, "pc")); len(faults) > 0 {
			t.Errorf("%s: %q", name, faults)
		}
	}
}

// A name is not part of a key: its characters count.
func TestALongNameIsGood(t *testing.T) {
	if faults := (Driver{}).Check(of("a", strings.Repeat("é", 253), "pc")); len(faults) > 0 {
		t.Error(faults)
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
		host, port, ok := split(in)
		if !ok {
			t.Errorf("%s is none", in)
		} else if got := (machine{host: host, port: port}).target(); got != want {
			t.Errorf("%s is completed to %s, want %s", in, got, want)
		}
	}
}

func options1(s string) provider.Target { return provider.Target{Options: json.RawMessage(s)} }

func of(id, name, address string) provider.Target {
	options, err := json.Marshal(options{Machines: []entry{{id, name, address}}, Interval: "5s", Timeout: "2s"})
	if err != nil {
		panic(err) // text always encodes
	}
	return provider.Target{Options: options}
}
