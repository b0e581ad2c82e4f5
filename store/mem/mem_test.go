package mem_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/mem"
	"github.com/quorate/quorate/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMemoryKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Backend {
		first := mem.New()
		opened := []*mem.Store{first}
		return storetest.Backend{
			Open: func(*testing.T) store.Store {
				st := first.Another()
				opened = append(opened, st)
				return st
			},
			OpenWithKey: func(_ *testing.T, key string) store.Store { return first.AnotherWithKey(key) },
			Expire: func(t *testing.T, site farm.SiteID, broker farm.BrokerID) {
				if !first.Expire(site, broker) {
					t.Errorf("broker %s is not present", broker)
				}
			},
			Compact: func(*testing.T) { first.Forget() },
			Left: func(_ *testing.T, site farm.SiteID) []string {
				if p := first.Another().Latest().Picture(site); p != nil {
					return []string{fmt.Sprintf("%+v", *p)}
				}
				return nil
			},
			Replace: func(*testing.T) func() { return first.Replace() },
			CutOff: func(*testing.T) func() {
				for _, st := range opened {
					st.Down(true)
				}
				return func() {
					for _, st := range opened {
						st.Down(false)
					}
				}
			},
		}
	})
}

func TestLeasesRunOnTheBubblesClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		start := time.Now()
		s, err := st.Register(t.Context(), "hq", farm.Presence{Broker: "cb-1"}, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		if err := s.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := st.Register(t.Context(), "hq", farm.Presence{Broker: "cb-1"}, time.Second); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 9*time.Second {
			t.Errorf("the second life began after %v", took)
		}
		time.Sleep(2 * time.Second)
	})
}

func TestACutOffServerSeesNothingAndLosesItsPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one := mem.New()
		two := one.Another()
		site := farm.NewSite("hq")
		put := func(*farm.Picture) (store.Change, error) { return store.Change{PutSite: &site}, nil }
		if _, err := one.Edit(t.Context(), "hq", put); err != nil {
			t.Fatal(err)
		}
		s, err := one.Register(t.Context(), "hq", farm.Presence{Broker: "cb-1"}, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		one.Down(true)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := s.Renew(ctx); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("renewed while cut off: %v", err)
		}
		if len(one.Latest().Sites["hq"].Presence) != 1 || len(two.Latest().Sites["hq"].Presence) != 0 {
			t.Errorf("one sees %v, two sees %v", one.Latest().Sites["hq"].Presence, two.Latest().Sites["hq"].Presence)
		}
		one.Down(false)
		if err := s.Renew(t.Context()); !errors.Is(err, store.ErrLost) {
			t.Errorf("renewed after its time: %v", err)
		}
	})
}
