package providertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
)

func testType(t *testing.T, f Fixture) {
	typ := f.Driver.Type()
	if typ.ID == "" || typ.Name == "" || typ.Description == "" {
		t.Errorf("id, name and description are needed: %+v", typ)
	}
	var schema struct {
		Schema               string `json:"$schema"`
		Title                string
		Type                 string
		AdditionalProperties *bool
		Properties           map[string]struct{ Title, Description, Type string }
	}
	if err := json.Unmarshal(typ.Options, &schema); err != nil {
		t.Fatalf("the options' schema: %v", err)
	}
	if schema.Schema != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("the schema is of %q", schema.Schema)
	}
	if schema.Type != "object" || schema.AdditionalProperties == nil || *schema.AdditionalProperties {
		t.Error("the schema is not of an object without additional properties")
	}
	if schema.Title == "" {
		t.Error("the schema has no title")
	}
	for name, p := range schema.Properties {
		if p.Title == "" || p.Description == "" || p.Type == "" {
			t.Errorf("option %s has no title, description or type", name)
		}
	}
}

func testCheck(t *testing.T, f Fixture) {
	tr := start(t, f)
	if faults := f.Driver.Check(tr.Target); len(faults) > 0 {
		t.Errorf("a good target: %q", faults)
	}
	wrong := map[string]json.RawMessage{
		"an unknown option":          with(t, tr.Target.Options, "noSuchOption", "true"),
		"options that are a list":    json.RawMessage(`[]`),
		"options that are null":      json.RawMessage(`null`),
		"options that are not JSON":  json.RawMessage(`{`),
		"options and something more": append(with(t, tr.Target.Options, "", ""), "{}"...),
	}
	for name, options := range wrong {
		t.Run(name, func(t *testing.T) {
			target := tr.Target
			target.Options = options
			told(t, f.Driver.Check(target))
			conn, err := f.Driver.Connect(tr.ctx, target)
			if !errors.Is(err, provider.ErrInvalidOptions) || conn != nil {
				t.Errorf("connect says %v, %v", conn, err)
			}
		})
	}
	t.Run("faults without number are told of by a few", func(t *testing.T) {
		fields := make(map[string]int)
		for i := range 10_000 {
			fields[fmt.Sprint("noSuchOption", i)] = i
		}
		options, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		told(t, f.Driver.Check(provider.Target{Address: "\x00", Options: options}))
	})
	t.Run("every error has a reason of its own", func(t *testing.T) {
		seen := make(map[farm.Reason]error)
		for _, err := range kinds() {
			if errors.Is(err, provider.ErrInvalidOptions) {
				continue // never gets as far as a connection
			}
			if other, twice := seen[provider.Reason(err)]; twice {
				t.Errorf("%v and %v have the same reason", err, other)
			}
			seen[provider.Reason(err)] = err
		}
	})
}

// told checks that there are faults, that each names a setting, and that a
// person can read them.
func told(t *testing.T, faults provider.Faults) {
	t.Helper()
	if len(faults) == 0 || len(faults) > provider.MaxFaults {
		t.Errorf("check finds %d faults", len(faults))
	}
	for _, fault := range faults {
		field, _, _ := strings.Cut(strings.TrimPrefix(fault.Pointer, "/"), "/")
		if !slices.Contains([]string{"address", "credentials", "options"}, field) {
			t.Errorf("%q is no setting that a driver knows", fault.Pointer)
		}
		if fault.Detail == "" || strings.Contains(fault.Detail, "json:") || len(fault.Detail) > 300 {
			t.Errorf("%s: nobody can read %q", fault.Pointer, fault.Detail)
		}
	}
}

// with returns options with one more field; none if name is empty.
func with(t *testing.T, options json.RawMessage, name, value string) json.RawMessage {
	t.Helper()
	fields := make(map[string]json.RawMessage)
	if len(options) > 0 {
		if err := json.Unmarshal(options, &fields); err != nil {
			t.Fatalf("the fixture's options: %v", err)
		}
	}
	if name != "" {
		fields[name] = json.RawMessage(value)
	}
	out, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
