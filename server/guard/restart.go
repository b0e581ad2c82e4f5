package guard

import (
	"fmt"
	"time"
)

// RestartAfter is how long a server that died stays dead; below 0 for ever.
type RestartAfter time.Duration

// Never leaves a server dead.
const Never RestartAfter = -1

func (r RestartAfter) String() string {
	if r < 0 {
		return "never"
	}
	return time.Duration(r).String()
}

// UnmarshalText reads a duration or "never".
func (r *RestartAfter) UnmarshalText(text []byte) error {
	if string(text) == "never" {
		*r = Never
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return fmt.Errorf("%q is neither a duration such as 30s nor never", text)
	}
	*r = RestartAfter(d)
	return nil
}
