package transfer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// passwords takes the passwords that are written in the document out of it, and
// puts them beside those that were sealed in it: from there they are compared
// with what is stored, as settings cannot be. What is no password is left for the
// API to refuse.
func (d Document) passwords(sealed map[string]string) (Document, map[string]string, error) {
	all := maps.Clone(sealed)
	if all == nil {
		all = map[string]string{}
	}
	sites := maps.Clone(d.Sites)
	for _, id := range slices.Sorted(maps.Keys(sites)) {
		s := sites[id]
		s.Providers = maps.Clone(s.Providers)
		for _, name := range slices.Sorted(maps.Keys(s.Providers)) {
			settings, password := withoutPassword(s.Providers[name])
			if password == nil {
				continue
			}
			if other, both := all[id+"/"+name]; both && other != *password {
				return d, nil, fmt.Errorf("sites/%s/providers/%s: the password in its credentials is not the one in the document's secrets: take one of them out", id, name)
			}
			all[id+"/"+name], s.Providers[name] = *password, settings
		}
		sites[id] = s
	}
	d.Sites = sites
	return d, all, nil
}

// withoutPassword are a Provider's settings without its password; nil: there is
// none.
func withoutPassword(settings object) (object, *string) {
	var credentials object
	if json.Unmarshal(settings["credentials"], &credentials) != nil {
		return settings, nil
	}
	var password *string
	if json.Unmarshal(credentials["password"], &password) != nil || password == nil {
		return settings, nil
	}
	delete(credentials, "password")
	settings = maps.Clone(settings)
	if err := set(settings, "credentials", credentials); err != nil {
		return settings, nil
	}
	return settings, password
}
