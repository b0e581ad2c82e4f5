package store

import (
	"fmt"
	"slices"
	"strings"
)

// keysTold is how many keys a sentence names.
const keysTold = 5

// Whole is ErrUnreadable if something that is stored is missing from the View: for
// whoever would take that for deleted.
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
	return "What is stored cannot be read, and is missing: " + v.unreadable() + "."
}

func (v *View) unreadable() string {
	if over := len(v.Unreadable) - keysTold; over > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(v.Unreadable[:keysTold], ", "), over)
	}
	return strings.Join(v.Unreadable, ", ")
}

// SetUnreadable says of a key whether what is stored there cannot be read.
func (d *Draft) SetUnreadable(key string, is bool) {
	at, there := slices.BinarySearch(d.unreadable, key)
	switch {
	case is && !there:
		d.unreadable = slices.Insert(slices.Clone(d.unreadable), at, key)
	case !is && there:
		d.unreadable = slices.Delete(slices.Clone(d.unreadable), at, at+1)
	}
}
