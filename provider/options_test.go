package provider_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/quorate/quorate/provider"
)

func TestDecodeOptions(t *testing.T) {
	type options struct {
		Port int `json:"port"`
	}
	cases := []struct {
		name, in string
		want     int
		wrong    bool
	}{
		{name: "none leave the default", in: "", want: 7},
		{name: "blank leaves the default", in: " \n", want: 7},
		{name: "an empty object leaves the default", in: "{}", want: 7},
		{name: "a known option is read", in: `{"port":9}`, want: 9},
		{name: "an unknown option is wrong", in: `{"prot":9}`, wrong: true},
		{name: "another type is wrong", in: `{"port":"9"}`, wrong: true},
		{name: "null is wrong", in: `null`, wrong: true},
		{name: "a list is wrong", in: `[]`, wrong: true},
		{name: "two objects are wrong", in: `{"port":1}{"port":2}`, wrong: true},
		{name: "half an object is wrong", in: `{"port":`, wrong: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := options{Port: 7}
			err := provider.DecodeOptions(json.RawMessage(c.in), &got)
			if c.wrong != errors.Is(err, provider.ErrInvalidOptions) || c.wrong != (err != nil) {
				t.Fatalf("error = %v, want wrong = %v", err, c.wrong)
			}
			if !c.wrong && got.Port != c.want {
				t.Fatalf("port = %d, want %d", got.Port, c.want)
			}
		})
	}
}
