package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/quorate/quorate/farm"
)

// Duration is a duration in JSON, as Go writes it: "10s".
type Duration time.Duration

// MarshalJSON writes "10s".
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads what time.ParseDuration does.
func (d *Duration) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("duration: %w", err)
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("duration: %w", err)
	}
	*d = Duration(v)
	return nil
}

// Time is a moment in JSON: RFC 3339 in UTC.
type Time struct{ time.Time }

// MarshalJSON writes UTC.
func (t Time) MarshalJSON() ([]byte, error) { return json.Marshal(t.UTC()) }

// ReadOnly are the members of a resource that the server sets. A write may
// repeat them as they were read, and nothing else.
type ReadOnly struct {
	Revision  *int64          `json:"revision,omitempty" readonly:"true"`
	CreatedAt *Time           `json:"createdAt,omitempty" readonly:"true" swaggertype:"string" format:"date-time"`
	UpdatedAt *Time           `json:"updatedAt,omitempty" readonly:"true" swaggertype:"string" format:"date-time"`
	Status    json.RawMessage `json:"status,omitempty" readonly:"true" swaggertype:"object"`
}

// check refuses members that are not as they were read. A status that may be
// sent back has been taken out by API.checkStatus.
func (ro ReadOnly) check(f *faults, at string, revision farm.Revision, created, updated time.Time) {
	if ro.Revision != nil && *ro.Revision != int64(revision) {
		f.add(at+"/revision", "is set by the server: leave it out, or send it as it was read")
	}
	if len(ro.Status) > 0 && string(ro.Status) != "null" {
		f.add(at+"/status", "is read-only: leave it out")
	}
	for _, t := range []struct {
		at   string
		sent *Time
		is   time.Time
	}{{"/createdAt", ro.CreatedAt, created}, {"/updatedAt", ro.UpdatedAt, updated}} {
		if t.sent != nil && !t.sent.Equal(t.is) {
			f.add(at+t.at, "is set by the server: leave it out, or send it as it was read")
		}
	}
}

// absent refuses all of them, for a resource that is yet to be created.
func (ro ReadOnly) absent(f *faults) {
	for at, sent := range map[string]bool{
		"/revision": ro.Revision != nil && *ro.Revision != 0, "/createdAt": ro.CreatedAt != nil, "/updatedAt": ro.UpdatedAt != nil,
		"/status": len(ro.Status) > 0 && string(ro.Status) != "null",
	} {
		if sent {
			f.add(at, "is set by the server: leave it out")
		}
	}
}

// fixed refuses a name that differs from the one in the path.
func fixed(f *faults, at string, sent *string, is string) {
	if sent != nil && *sent != is {
		f.add(at, "is %q by the request's path and cannot be changed", is)
	}
}

// or returns what p points to, or the default if it was left out.
func or[T any](p *T, def T) T {
	if p == nil {
		return def
	}
	return *p
}

// Effects is what a dry run of a deletion answers.
type Effects struct {
	Effects []string `json:"effects"` // what would happen, a sentence each
} //@name Effects

func asDuration(d *Duration, def time.Duration) time.Duration {
	return time.Duration(or(d, Duration(def)))
}

// since is a moment that may not be known.
func since(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	return &Time{t}
}

// filled is the list, never null in JSON.
func filled(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// encode is JSON with < > & as they are: escaped, they would take six times the
// room, in storage and on the way. Answers say that they are JSON, and that
// nobody should guess.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}
