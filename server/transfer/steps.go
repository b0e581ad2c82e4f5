package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// step is one request of an import. It holds only if its resource is as it was
// when the step was planned.
type step struct {
	path     string        // of the resource
	was      farm.Revision // 0: it is to be created
	remove   bool
	lossy    bool // the loss of high availability is accepted
	settings object
	secret   *string // nil: the one stored stays

	newSecret bool // the secret is not the one stored
}

// steps puts the document on the Farm. Sites come first; then brokers, those
// that have a seat before those that give one up, so that a Site whose seats
// move has no fewer meanwhile than in the end; then Providers, which name
// brokers. What is pruned goes last, when nothing names it any more. What is so
// already needs no step.
func (d Document) steps(view *store.View, before Document, secrets map[string]string, o Options) []step {
	var all []step
	was := before.resources()
	for _, id := range slices.Sorted(maps.Keys(d.Sites)) {
		s, p, at := d.Sites[id], picture(view, id), "sites/"+id
		all = append(all, step{path: at, was: p.Site.Revision, settings: s.Settings})
		for _, name := range s.seatsFirst() {
			all = append(all, step{path: at + "/brokers/" + name, was: p.Brokers[farm.BrokerID(name)].Revision,
				settings: s.Brokers[name], lossy: o.AcceptHighAvailabilityLoss})
		}
		for _, name := range slices.Sorted(maps.Keys(s.Providers)) {
			next := step{path: at + "/providers/" + name, was: p.Providers[farm.ProviderID(name)].Revision, settings: s.Providers[name]}
			if secret, ok := secrets[id+"/"+name]; ok {
				next.secret = &secret
			}
			all = append(all, next)
		}
		if o.Prune {
			all = append(all, s.removals(at, p, o)...)
		}
	}
	return slices.DeleteFunc(all, func(s step) bool {
		return o.OnlyNew && s.was != 0 || !s.remove && s.secret == nil && alike(s.settings, was[s.path])
	})
}

// alike compares JSON by its meaning.
func alike(a, b object) bool {
	return a != nil && b != nil && reflect.DeepEqual(meaning(a), meaning(b))
}

func meaning(o object) any {
	var v any
	if text, err := json.Marshal(o); err == nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		_ = d.Decode(&v) // it has just been encoded
	}
	return v
}

// picture is the Site as it is; empty if there is none.
func picture(view *store.View, site string) *farm.Picture {
	if p := view.Sites[farm.SiteID(site)]; p != nil {
		return p
	}
	return &farm.Picture{}
}

// seatsFirst orders the brokers by whether they are to have a seat.
func (s Site) seatsFirst() []string {
	var with, without []string
	for _, name := range slices.Sorted(maps.Keys(s.Brokers)) {
		b := s.Brokers[name]
		if string(b["mode"]) == `"standby"` || string(b["enabled"]) == "false" {
			without = append(without, name)
		} else {
			with = append(with, name)
		}
	}
	return append(with, without...)
}

// removals are the steps that remove what a Site has beside the document.
func (s Site) removals(at string, p *farm.Picture, o Options) []step {
	var all []step
	for _, id := range slices.Sorted(maps.Keys(p.Providers)) {
		if _, stays := s.Providers[string(id)]; !stays {
			all = append(all, step{path: at + "/providers/" + string(id), was: p.Providers[id].Revision, remove: true})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(p.Brokers)) {
		if _, stays := s.Brokers[string(id)]; !stays {
			all = append(all, step{path: at + "/brokers/" + string(id), was: p.Brokers[id].Revision, remove: true, lossy: o.AcceptHighAvailabilityLoss})
		}
	}
	return all
}

// site is the Site that a step is about.
func (s step) site() string { return strings.Split(s.path, "/")[1] }

// take sends the step's request.
func (s step) take(ctx context.Context, api caller) error {
	query := ""
	if s.lossy && s.was != 0 {
		query = "?acceptHighAvailabilityLoss=true"
	}
	if s.remove {
		_, err := api.do(ctx, "DELETE", s.path+query, int64(s.was), nil)
		return err
	}
	body, err := s.body()
	if err != nil {
		return err
	}
	if s.was == 0 {
		_, err = api.do(ctx, "POST", path.Dir(s.path), 0, body)
	} else {
		_, err = api.do(ctx, "PUT", s.path+query, int64(s.was), body)
	}
	return err
}

// body is what the request says. Settings that are no settings are left for the
// API to refuse.
func (s step) body() (object, error) {
	body := object{}
	maps.Copy(body, s.settings)
	if s.was == 0 {
		if err := set(body, "id", path.Base(s.path)); err != nil {
			return nil, err
		}
	}
	if s.secret == nil {
		return body, nil
	}
	credentials := object{}
	if given, ok := body["credentials"]; ok && json.Unmarshal(given, &credentials) != nil || credentials == nil {
		return body, nil
	}
	if err := set(credentials, "password", *s.secret); err != nil {
		return nil, err
	}
	return body, set(body, "credentials", credentials)
}

func set(o object, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	o[name] = text
	return nil
}
