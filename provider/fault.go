package provider

import (
	"fmt"
	"strings"
)

// Fault is what is wrong with one setting of a Provider.
type Fault struct {
	// Pointer is a JSON pointer into the Provider as the REST API shows it:
	// "/address", "/credentials/username", "/options/machines/0/address".
	Pointer string
	// Detail goes on where the pointer ends, in words for a person: "must be a
	// number". It repeats nothing that may be long or secret.
	Detail string
}

// MaxFaults is how many faults are told of at once. Whoever has sent more needs
// no longer list to see what is wrong.
const MaxFaults = 50

// Faults are what is wrong with a Target, MaxFaults at most.
type Faults []Fault

// Add adds a fault, unless there are enough.
func (f *Faults) Add(pointer, detail string, args ...any) {
	if !f.Enough() {
		*f = append(*f, Fault{pointer, fmt.Sprintf(detail, args...)})
	}
}

// And adds other faults, as far as there is room.
func (f Faults) And(more Faults) Faults {
	return append(f, more[:min(len(more), MaxFaults-len(f))]...)
}

// Enough reports whether to stop looking for more.
func (f *Faults) Enough() bool { return len(*f) >= MaxFaults }

// inAnError is how many faults an error spells out: it ends up in logs and in a
// Provider's status.
const inAnError = 3

// Err is the faults as one error that wraps ErrInvalidOptions; nil if there are
// none.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	var said []string
	for _, one := range f[:min(len(f), inAnError)] {
		said = append(said, one.Pointer+" "+one.Detail)
	}
	if more := len(f) - inAnError; more > 0 {
		said = append(said, fmt.Sprintf("and %d more", more))
	}
	all := strings.Join(said, "; ")
	return WithSentence(fmt.Errorf("%w: %s", ErrInvalidOptions, all), "The settings are not valid: %s.", all)
}
