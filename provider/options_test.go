package provider_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/quorate/quorate/provider"
)

func TestDecodeOptions(t *testing.T) {
	type options struct {
		Port  int `json:"port"`
		Peers []struct {
			Name string `json:"name"`
		} `json:"peers"`
	}
	cases := []struct {
		name, in string
		want     int
		wrong    string // the pointer to what is
	}{
		{name: "none leave the default", in: "", want: 7},
		{name: "blank leaves the default", in: " \n", want: 7},
		{name: "an empty object leaves the default", in: "{}", want: 7},
		{name: "a known option is read", in: `{"port":9}`, want: 9},
		{name: "an unknown option is wrong", in: `{"prot":9}`, wrong: "/options/prot"},
		{name: "another spelling is wrong", in: `{"Port":9}`, wrong: "/options/Port"},
		{name: "a name is escaped", in: `{"a/b~c":9}`, wrong: "/options/a~1b~0c"},
		{name: "another type is wrong", in: `{"port":"9"}`, wrong: "/options/port"},
		{name: "a fraction is wrong", in: `{"port":1.5}`, wrong: "/options/port"},
		{name: "no value is wrong", in: `{"port":null}`, wrong: "/options/port"},
		{name: "an item of another type is wrong", in: `{"peers":[{"name":"a"},{"name":1}]}`, wrong: "/options/peers/1/name"},
		{name: "an unknown field of an item is wrong", in: `{"peers":[{"nam":"a"}]}`, wrong: "/options/peers/0/nam"},
		{name: "something else than a list is wrong", in: `{"peers":{}}`, wrong: "/options/peers"},
		{name: "null is wrong", in: `null`, wrong: "/options"},
		{name: "a list is wrong", in: `[]`, wrong: "/options"},
		{name: "two objects are wrong", in: `{"port":1}{"port":2}`, wrong: "/options"},
		{name: "half an object is wrong", in: `{"port":`, wrong: "/options"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := options{Port: 7}
			faults := provider.DecodeOptions(json.RawMessage(c.in), &got)
			if c.wrong != "" {
				if len(faults) != 1 || faults[0].Pointer != c.wrong || strings.Contains(faults[0].Detail, "json") {
					t.Fatalf("faults %q, want one of %s", faults, c.wrong)
				}
				return
			}
			if len(faults) > 0 || got.Port != c.want {
				t.Fatalf("port = %d with faults %q, want %d", got.Port, faults, c.want)
			}
		})
	}
}

func TestFaultsAreBounded(t *testing.T) {
	var all []string
	for i := range 10_000 {
		all = append(all, fmt.Sprintf(`"%s%d":1`, strings.Repeat("x", 1000), i))
	}
	faults := provider.DecodeOptions(json.RawMessage("{"+strings.Join(all, ",")+"}"), &struct{}{})
	if len(faults) != provider.MaxFaults {
		t.Errorf("%d faults", len(faults))
	}
	if n := len(faults.And(faults)); n != provider.MaxFaults {
		t.Errorf("%d faults together", n)
	}
	err := faults.Err()
	if !errors.Is(err, provider.ErrInvalidOptions) || len(err.Error()) > 1000 {
		t.Errorf("the error is of %d bytes: %v", len(err.Error()), err)
	}
	if err := (provider.Faults{}).Err(); err != nil {
		t.Errorf("no faults are %v", err)
	}
}
