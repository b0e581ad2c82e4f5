package store

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quorate/quorate/farm"
)

// keysTold is how many keys a sentence names.
const keysTold = 5

// Whole is ErrUnreadable if something that is stored cannot be read: for whoever
// would take that for deleted, or for what there is.
func (v *View) Whole() error {
	if len(v.Unreadable) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrUnreadable, v.unreadable())
}

// UnreadableProblem is a sentence for people; empty if all can be read.
func (v *View) UnreadableProblem() string {
	if len(v.Unreadable) == 0 {
		return ""
	}
	return "What is stored cannot be read, and may be missing: " + v.unreadable() + "."
}

func (v *View) unreadable() string {
	if over := len(v.Unreadable) - keysTold; over > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(v.Unreadable[:keysTold], ", "), over)
	}
	return strings.Join(v.Unreadable, ", ")
}

// Unread is a key whose value cannot be read.
type Unread struct {
	Key      string
	Site     farm.SiteID     // empty: it is of the whole Farm
	Provider farm.ProviderID // empty: it is of no single one
	What     UnreadKind
	Known    bool // the View has what was there before
}

// UnreadKind says what rests on a value.
type UnreadKind int

// What a value can be.
const (
	UnreadOther  UnreadKind = iota // no decision rests on it
	UnreadConfig                   // of a Site, broker or Provider
	UnreadSeats
	UnreadOwner
	UnreadFloor
)

// SetUnreadable says of a key that what is stored there cannot be read.
func (d *Draft) SetUnreadable(u Unread) {
	at, there := d.unreadAt(u.Key)
	switch {
	case !there:
		d.unread = slices.Insert(slices.Clone(d.unread), at, u)
	case d.unread[at] != u:
		d.unread = slices.Clone(d.unread)
		d.unread[at] = u
	}
}

// SetReadable says of a key that what is stored there can be read, or is gone.
func (d *Draft) SetReadable(key string) {
	if at, there := d.unreadAt(key); there {
		d.unread = slices.Delete(slices.Clone(d.unread), at, at+1)
	}
}

func (d *Draft) unreadAt(key string) (int, bool) {
	return slices.BinarySearchFunc(d.unread, key, func(u Unread, key string) int { return strings.Compare(u.Key, key) })
}

// Unread returns what is said of a key whose value cannot be read.
func (v *View) Unread(key string) (Unread, bool) {
	for _, u := range v.unread {
		if u.Key == key {
			return u, true
		}
	}
	return Unread{}, false
}

// unreadIn is what concerns one Site.
func (v *View) unreadIn(id farm.SiteID) (all farm.Unreadable) {
	for _, u := range v.unread {
		if u.Site != id && u.What != UnreadFloor {
			continue
		}
		all.Keys = append(all.Keys, u.Key)
		switch {
		case u.What == UnreadOther:
		case u.Known && u.What == UnreadSeats:
			all.Seats = true
		case u.Known && u.What == UnreadOwner:
			all.Owners = with(all.Owners, u.Provider)
		case u.Known:
		case u.What == UnreadFloor:
			all.Floor = true
		case u.Provider != "":
			all.Providers = with(all.Providers, u.Provider)
		default:
			all.Site = true
		}
	}
	return all
}

func with(m map[farm.ProviderID]bool, id farm.ProviderID) map[farm.ProviderID]bool {
	if m == nil {
		m = map[farm.ProviderID]bool{}
	}
	m[id] = true
	return m
}
