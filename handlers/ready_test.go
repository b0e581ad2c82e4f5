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
