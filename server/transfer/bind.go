package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// boundTo ends the names under which the sealed part says whose a secret is. No ID
// has a space; a version that does not know them finds no such Provider.
const boundTo = " is for"

// whose is where a secret is sent, and as whom.
type whose struct {
	Address  string `json:"address"`
	Username string `json:"username"`
}

func whoseOf(settings object) (w whose) {
	var credentials struct{ Username string }
	_ = json.Unmarshal(settings["address"], &w.Address) // what is none is for the API to refuse
	_ = json.Unmarshal(settings["credentials"], &credentials)
	w.Username = credentials.Username
	return w
}

// bind puts beside each secret, to be sealed with it, whose it is: what is not
// sealed can be changed by whoever keeps the document.
func (d Document) bind(secrets map[string]string) map[string]string {
	all := maps.Clone(secrets)
	for name := range secrets {
		site, provider, _ := strings.Cut(name, "/")
		text, err := json.Marshal(whoseOf(d.Sites[site].Providers[provider]))
		if err == nil {
			all[name+boundTo] = string(text)
		}
	}
	return all
}

// bound takes that out again, and refuses a secret for another address or user name
// than it was sealed with, unless the document has the password anew.
func (d Document) bound(sealed map[string]string) (map[string]string, error) {
	secrets := map[string]string{}
	var refused []error
	for _, name := range slices.Sorted(maps.Keys(sealed)) {
		if strings.HasSuffix(name, boundTo) {
			continue
		}
		secrets[name] = sealed[name]
		text, is := sealed[name+boundTo]
		site, provider, _ := strings.Cut(name, "/")
		settings, there := d.Sites[site].Providers[provider]
		if !is || !there {
			continue
		}
		var was whose
		if err := json.Unmarshal([]byte(text), &was); err != nil {
			return nil, fmt.Errorf("open secrets: %w", err)
		}
		now := whoseOf(settings)
		if now == was {
			continue
		}
		delete(secrets, name)
		if _, anew := withoutPassword(settings); anew == nil {
			refused = append(refused, fmt.Errorf("sites/%s/providers/%s: its password was exported for user %q at %q, and the document says user %q at %q: somebody has changed that since. If it was you, write the password beside the user name, as credentials.password",
				site, provider, was.Username, was.Address, now.Username, now.Address))
		}
	}
	return secrets, errors.Join(refused...)
}
