package broker

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store/mem"
)

func TestAPlannedMoveIsLoggedWithItsReason(t *testing.T) {
	o := farm.Ownership{Broker: "cb-1", Reason: farm.ReasonInitial}
	if got := why(o); got != farm.ReasonInitial {
		t.Errorf("an owner: %s", got)
	}
	o.Target, o.TargetReason = "cb-2", farm.ReasonRebalance
	if got := why(o); got != farm.ReasonRebalance {
		t.Errorf("a move: %s", got)
	}
}

func TestSeatsAreLoggedAsAPersonReadsThem(t *testing.T) {
	got := occupants([]farm.Seat{{Broker: "cb-1", Occupant: "cb-1"}, {Broker: "cb-2", Occupant: "cb-4"}, {Broker: "cb-3"}})
	if got != "cb-1 cb-2=cb-4 cb-3=nobody" {
		t.Error(got)
	}
}

func TestAServerWithTheNameOfARunningBrokerSaysSoAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		first, err := st.Register(t.Context(), site, farm.Presence{Broker: "cb-1"}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		c := DefaultConfig()
		c.Site, c.Broker, c.Store, c.Log = site, "cb-1", st.Another(), slog.New(slog.NewTextHandler(&log, nil))
		ctx, cancel := context.WithTimeout(t.Context(), 3*presentTold+time.Second)
		defer cancel()
		if _, _, err := c.register(ctx); err == nil {
			t.Fatal("it has registered")
		}
		if n := strings.Count(log.String(), "were two servers given the same --broker?"); n != 3 {
			t.Errorf("it was said %d times in:\n%s", n, &log)
		}
		if err := first.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
