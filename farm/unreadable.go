package farm

import (
	"fmt"
	"maps"
	"strings"
)

// Unreadable is what is stored of a Site, or for all of them, and cannot be read.
// It is not deleted. What was known of it before is still in the picture; the rest
// says what nothing is known of.
type Unreadable struct {
	Keys []string // where it lies

	Site      bool                // the Site, a broker or the seats: nothing may be decided
	Floor     bool                // how high epochs have been: no first one may be given
	Providers map[ProviderID]bool // their settings or owner: nothing may be decided about them

	Seats  bool                // as the picture has them they may be stored again
	Owners map[ProviderID]bool // so may these records
}

// Decidable is the picture without what nothing may be decided about; nil if that
// is everything.
func (p *Picture) Decidable() *Picture {
	if p == nil || p.Unreadable.Site {
		return nil
	}
	if !p.Unreadable.Floor && len(p.Unreadable.Providers) == 0 {
		return p
	}
	some := *p
	some.Providers, some.Owners = maps.Clone(p.Providers), maps.Clone(p.Owners)
	for id := range p.Providers {
		if p.Unreadable.Floor && p.Owners[id].Revision == 0 {
			delete(some.Providers, id)
		}
	}
	for id := range p.Unreadable.Providers {
		delete(some.Providers, id)
		delete(some.Owners, id)
	}
	return &some
}

// Restored is an outcome that also stores again what cannot be read there any more
// and is still known: who starts now would not know it.
func (p *Picture) Restored(out Outcome) Outcome {
	if p.Unreadable.Seats && out.Seats == nil {
		seats := p.Seats.Value
		out.Seats = &seats
	}
	decided := map[ProviderID]bool{}
	for _, d := range out.Decisions {
		decided[d.Provider] = true
	}
	for id := range p.Unreadable.Owners {
		if !decided[id] {
			out.Decisions = append(out.Decisions, Decision{Provider: id, Was: p.Owners[id], Next: p.Owners[id].Value})
		}
	}
	return out
}

// keysTold is how many keys a sentence names.
const keysTold = 5

func (u Unreadable) warning() string {
	keys := strings.Join(u.Keys[:min(len(u.Keys), keysTold)], ", ")
	if over := len(u.Keys) - keysTold; over > 0 {
		keys += fmt.Sprintf(" and %d more", over)
	}
	what := "The Site goes on with what was known of it before."
	switch {
	case u.Site:
		what = "Nothing is decided for the Site until it is mended: no Provider is taken over."
	case u.Floor:
		what = "No new Provider gets its first owner until it is mended."
	case len(u.Providers) > 0:
		what = fmt.Sprintf("Nothing is decided about %s until it is mended; the others are not touched.", count(len(u.Providers), "Provider"))
	}
	return fmt.Sprintf("What is stored cannot be read: %s. %s Run 'quorate doctor', which says how to mend it.", keys, what)
}
