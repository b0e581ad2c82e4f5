package broker

import (
	"time"

	"github.com/quorate/quorate/farm"
)

// damping is how many misses running make a loss, and how long there must be
// answers again until it is over.
type damping struct {
	misses int
	heals  time.Duration
	most   time.Duration // to heal, for what keeps being lost
}

var (
	contactDamping = damping{farm.ContactMisses, farm.ContactHeals, 8 * time.Second}
	pathDamping    = damping{farm.PathMisses, farm.PathHeals, 10 * time.Minute}
)

// acquaintance is what is known of another broker, or of the way to a Provider,
// from answers and misses.
type acquaintance struct {
	damping
	answers bool
	missed  int       // running
	since   time.Time // there are answers again since; zero: there are none
	wait    time.Duration
	healed  time.Time
}

// steadyHeals: what has been good for so many healing times is not lost soon.
const steadyHeals = 10

// learn takes one more answer, or none, and reports whether it makes a change.
// What is lost again soon after it had healed takes twice as long to heal.
func (a *acquaintance) learn(answered bool, now time.Time) (changed bool) {
	wait := max(a.wait, a.heals)
	switch {
	case answered && a.answers:
		a.missed = 0
	case answered:
		if a.since.IsZero() {
			a.since = now
		}
		if now.Sub(a.since) < wait {
			return false
		}
		*a = acquaintance{damping: a.damping, answers: true, wait: wait, healed: now}
		return true
	case a.answers:
		if a.missed++; a.missed < a.misses {
			return false
		}
		a.lose(now)
		return true
	default:
		a.since = time.Time{}
	}
	return false
}

// lose makes it lost at once.
func (a *acquaintance) lose(now time.Time) {
	wait := a.heals
	if was := max(a.wait, a.heals); !a.healed.IsZero() && now.Sub(a.healed) < steadyHeals*was {
		wait = min(2*was, a.most)
	}
	*a = acquaintance{damping: a.damping, wait: wait}
}
