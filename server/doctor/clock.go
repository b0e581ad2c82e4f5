package doctor

import (
	"fmt"
	"time"
)

// Wall clocks are for people only: nothing that Quorate decides compares those
// of two machines. Log lines and events that do not fit together, and
// certificates that are not good yet, are what a wrong one costs. The offsets:
const (
	clockWarn = time.Second
	clockFail = 30 * time.Second
)

// judgeClock estimates how far another machine's clock is from ours. Its answer
// names whole seconds, and the time on the way is not known: half of each is
// the error that is allowed for.
func judgeClock(what string, r reply) Finding {
	if r.date.IsZero() {
		return Finding{}
	}
	trip := r.came.Sub(r.asked)
	offset := r.date.Add(500 * time.Millisecond).Sub(r.asked.Add(trip / 2))
	least := max(0, offset.Abs()-500*time.Millisecond-trip/2)
	says := fmt.Sprintf("It is about %v %s this machine's.", offset.Abs().Round(100*time.Millisecond), direction(offset))
	const do = "Run an NTP client on both machines. This never affects safety or takeovers, only the times that people read and when certificates are good."
	switch {
	case least > clockFail:
		return failed(what, says, do)
	case least > clockWarn:
		return warned(what, says, do)
	}
	return fine(what, "It agrees with this machine's, as far as whole seconds tell.")
}

func direction(offset time.Duration) string {
	if offset < 0 {
		return "behind"
	}
	return "ahead of"
}
