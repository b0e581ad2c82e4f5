package transfer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"sigs.k8s.io/yaml"
)

const (
	format  = "quorate-configuration"
	version = 1 // of the document; an older one is read, a newer one is refused
)

const head = `# The configuration of a Quorate Farm, as "quorate export" writes it: its Sites,
# brokers and Providers with every setting. Who is online, who owns what, Hosts,
# events and API tokens are not configuration and not in here.
#
# See what it would change:  quorate import --dry-run FILE
# Make it so:                quorate import FILE
#
# What is left out of a Site, broker or Provider gets its default, as in a PUT of
# the REST API. Passwords of Providers are not in here, unless there are "secrets"
# near the end: those are encrypted to a passphrase. The last line says that
# nothing was cut off.
`

// Document is a Farm's configuration, or a part of it.
type Document struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	Sites   map[string]Site `json:"sites"`
	Secrets string          `json:"secrets,omitempty"` // sealed, see secrets

	Complete bool `json:"complete"` // the last line, so that one that is cut off is known by it
}

// Site is a Site's settings, with its brokers and Providers by their IDs. The
// settings of each are those of the REST API.
type Site struct {
	Settings  object
	Brokers   map[string]object
	Providers map[string]object
}

const (
	brokers   = "brokers"
	providers = "providers"
)

// UnmarshalJSON takes the brokers and Providers out of the settings.
func (s *Site) UnmarshalJSON(text []byte) error {
	if err := json.Unmarshal(text, &s.Settings); err != nil {
		return err
	}
	for name, into := range map[string]*map[string]object{brokers: &s.Brokers, providers: &s.Providers} {
		if inner, ok := s.Settings[name]; ok {
			if err := json.Unmarshal(inner, into); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			delete(s.Settings, name)
		}
	}
	return nil
}

// MarshalJSON puts them back.
func (s Site) MarshalJSON() ([]byte, error) {
	whole := map[string]any{brokers: s.Brokers, providers: s.Providers}
	for name, value := range s.Settings {
		whole[name] = value
	}
	return json.Marshal(whole)
}

// Encode writes the document. The same configuration is the same text.
func (d Document) Encode() ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(head)
	for _, part := range []any{ // in an order for people, who want secrets behind what they read
		struct {
			Format string `json:"format"`
		}{format},
		struct {
			Version int `json:"version"`
		}{version},
		struct {
			Sites map[string]Site `json:"sites"`
		}{d.Sites},
		struct {
			Secrets string `json:"secrets,omitempty"`
		}{d.Secrets},
		struct {
			Complete bool `json:"complete"`
		}{true},
	} {
		text, err := yaml.Marshal(part)
		if err != nil {
			return nil, fmt.Errorf("write document: %w", err)
		}
		if string(text) != "{}\n" {
			out.Write(text)
		}
	}
	return out.Bytes(), nil
}

// Decode reads a document. What is in the settings is judged by the API.
func Decode(text []byte) (Document, error) {
	var d Document
	raw, err := d.read(text)
	if err != nil {
		return d, err
	}
	switch {
	case d.Format != format:
		return d, fmt.Errorf("this is no document of quorate export: its format is %q, not %q", d.Format, format)
	case d.Version < 1 || d.Version > version:
		return d, fmt.Errorf("the document has version %d, and this quorate reads up to %d: use the quorate that wrote it, or a newer one", d.Version, version)
	case !endsComplete(text):
		return d, errors.New("the document has no last line `complete: true`: it may have been cut off")
	case len(d.Sites) == 0:
		return d, errors.New("the document holds no Site")
	}
	return d, checkIDs(raw)
}
