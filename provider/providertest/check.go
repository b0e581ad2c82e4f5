package providertest

import (
	"encoding/json"
	"errors"
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
	if err := f.Driver.Check(tr.Target); err != nil {
		t.Errorf("a good target: %v", err)
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
			if err := f.Driver.Check(target); !errors.Is(err, provider.ErrInvalidOptions) {
				t.Errorf("check says %v", err)
			}
			conn, err := f.Driver.Connect(tr.ctx, target)
			if !errors.Is(err, provider.ErrInvalidOptions) || conn != nil {
				t.Errorf("connect says %v, %v", conn, err)
			}
		})
	}
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
