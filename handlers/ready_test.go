package handlers_test

import (
	"context"
	"testing"

	"github.com/quorate/quorate/store"
)

// ailing is a store that works, and has something to say.
type ailing struct {
	store.Store
	problem string
}

func (s ailing) Health(ctx context.Context) store.Health {
	h := s.Store.Health(ctx)
	h.Problem = s.problem
	return h
}

func TestWhatIsWrongIsToldAlsoByAServerThatIsReady(t *testing.T) {
	b := newBed(t)
	b.online("cb-1")
	b.must("GET", "/readyz", "", 200).has("/ready", true, "/warnings", []any{})
	b.api.Store = ailing{b.st, "What is stored cannot be read, and is missing: /quorate/brokers/hq/cb-2."}
	b.must("GET", "/readyz", "", 200).has("/ready", true,
		"/warnings/0", "What is stored cannot be read, and is missing: /quorate/brokers/hq/cb-2.")
}

// What is wrong with storage may be why the broker does not come online.
func TestWhatIsWrongIsToldAlsoByAServerThatIsNotReady(t *testing.T) {
	b := newBed(t)
	b.api.Self.Site, b.api.Self.Broker = "hq", "cb-9"
	b.api.Store = ailing{b.st, "Storage has raised an alarm: NOSPACE."}
	b.must("GET", "/readyz", "", 503).has("/ready", false, "/warnings/0", "Storage has raised an alarm: NOSPACE.")
}

func TestAServerNamesItsSecretKeys(t *testing.T) {
	b := newBed(t)
	b.online("cb-1")
	b.must("GET", "/readyz", "", 200).has("/secretKeys", []any{})
	b.api.Store = keyed{b.st}
	b.must("GET", "/readyz", "", 200).has("/secretKeys/0/id", 7, "/secretKeys/0/primary", false, "/secretKeys/1/id", 8, "/secretKeys/1/primary", true)
}

// keyed is a store with two keys.
type keyed struct{ store.Store }

func (s keyed) Health(ctx context.Context) store.Health {
	h := s.Store.Health(ctx)
	h.SecretKeys = []store.SecretKey{{ID: 7}, {ID: 8, Primary: true}}
	return h
}
