package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

var three = []farm.ProviderID{"vc-1", "vc-2", "vc-3"}

var serving = ids{"cb-1", "cb-2", "cb-3"}

// served starts brokers, each active one of which serves a Provider.
func (l *lab) served(active, standby int) {
	l.t.Helper()
	l.startAll(active, standby)
	l.await("armed", state(farm.StateOn))
	for i, id := range three {
		l.provider(id, farm.Manual(serving[i]))
	}
	l.connected(three...)
	time.Sleep(2 * farm.PromiseLasts) // so that nobody's word of an earlier process counts
}

// servedWithoutStorage is served by three that have had no storage for a minute.
func (l *lab) servedWithoutStorage() {
	l.t.Helper()
	l.served(3, 0)
	for id := range l.brokers {
		l.cut(id, true)
	}
	time.Sleep(time.Minute)
	l.acts(3, 0)
}

// acts awaits that so many Providers are acted for.
func (l *lab) acts(n int, within time.Duration) {
	l.t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		synctest.Wait()
		if len(l.pool.active()) == n {
			return
		}
		if time.Now().After(end) {
			l.t.Fatalf("%v are acting after %v, want %d", l.pool.active(), within, n)
		}
	}
}

func TestNobodyStopsWhileNobodyHasStorage(t *testing.T) {
	inLab(t, func(l *lab) {
		l.served(3, 0)
		before := l.pool.count()
		for id := range l.brokers {
			l.cut(id, true)
		}
		for range 600 {
			time.Sleep(100 * time.Millisecond)
			if n := len(l.pool.active()); n != 3 {
				t.Fatalf("only %d are acting", n)
			}
		}
		if now := l.pool.count(); now != before {
			t.Errorf("%d connections were made anew", now-before)
		}
		for id := range l.brokers {
			l.cut(id, false)
		}
		l.connected(three...)
	})
}

func TestWhoAloneHasNoStorageStops(t *testing.T) {
	inLab(t, func(l *lab) {
		l.served(3, 0)
		l.cut("cb-1", true)
		l.acts(2, testTTL)
	})
}

func TestOneSeatThatDoesNotAnswerEndsIt(t *testing.T) {
	inLab(t, func(l *lab) {
		l.servedWithoutStorage()
		l.net.between(ids{"cb-1"}, ids{"cb-3"}, true) // cb-2 still reaches both
		l.acts(1, farm.PromiseLasts)
	})
}

// Who has decided something that it has not seen stored promises nobody anything,
// itself neither, until it has.
func TestWhoHasDecidedPromisesOnceItHasSeenIt(t *testing.T) {
	inLab(t, func(l *lab) {
		l.servedWithoutStorage()
		line := l.net.lines["cb-2"]
		line.mu.Lock()
		line.decided++
		line.mu.Unlock()
		l.acts(0, farm.PromiseLasts)
		for id := range l.brokers {
			l.cut(id, false)
		}
		l.connected(three...)
		line.mu.Lock()
		defer line.mu.Unlock()
		if line.decided != line.shown {
			t.Errorf("it has decided %d times, and seen %d", line.decided, line.shown)
		}
	})
}

// Who gets storage back first decides, when it has kept its word and the others
// have stopped.
func TestWhoHasStorageAgainDecidesAfterItsWord(t *testing.T) {
	inLab(t, func(l *lab) {
		l.served(3, 0)
		for _, id := range serving {
			l.cut(id, true)
		}
		l.start("cb-4", farm.ModeStandby) // so that there is a majority with one of them
		time.Sleep(time.Minute)
		l.acts(3, 0)
		back := time.Now()
		l.cut("cb-1", false)
		l.connected(three...)
		if took := time.Since(back); took < farm.PromiseLasts-farm.ContactEvery-farm.ContactTimeout {
			t.Errorf("decided %v after it was back", took)
		}
	})
}

// Standbys that have storage do not promise anything: so those that serve stop,
// and the standbys take over.
func TestStandbysWithStorageTakeOver(t *testing.T) {
	inLab(t, func(l *lab) {
		l.served(3, 2)
		for _, id := range serving {
			l.cut(id, true)
		}
		p := l.await("taken over", func(p *farm.Picture) bool { return len(p.Presence) == 2 && p.Seats.Value.State == farm.StateDegraded })
		if got := p.Seats.Value.Serving; len(got) != 2 {
			t.Errorf("%v serve", got)
		}
		l.connected(three...)
	})
}

// Two brokers that come later have storage and would be a majority of the seats.
// Those that serve have not, and say so to each other; they know nothing of them.
func TestNewcomersDoNotTakeOverFromThoseThatKeepServing(t *testing.T) {
	inLab(t, func(l *lab) {
		l.served(3, 0)
		for _, id := range serving {
			l.cut(id, true)
		}
		l.start("cb-4", farm.ModeStandby)
		l.start("cb-5", farm.ModeStandby)
		p := l.await("none of them is there", func(p *farm.Picture) bool {
			return len(p.Presence) == 2 && p.Online("cb-4") && p.Online("cb-5") && p.Seats.Value.State == farm.StateLost
		})
		if v := p.Seats.Value; len(v.Electors) != 3 {
			t.Errorf("%+v", v)
		}
		time.Sleep(time.Minute)
		l.acts(3, 0)
		// The operator knows that they are down; that they are not is his fault, so
		// they are stopped first.
		for _, id := range serving {
			l.stop(id)
		}
		l.acts(0, farm.PromiseLasts)
		l.edit(func(p *farm.Picture) (c store.Change) {
			site := p.Site.Value
			site.Failsafe = false
			c.PutSite = &site
			return c
		})
		l.connected(three...)
	})
}

func TestWithoutFailsafeEverybodyStops(t *testing.T) {
	inLab(t, func(l *lab) {
		l.served(3, 0)
		l.edit(func(p *farm.Picture) (c store.Change) {
			site := p.Site.Value
			site.Failsafe = false
			c.PutSite = &site
			return c
		})
		for id := range l.brokers {
			l.cut(id, true)
		}
		l.acts(0, testTTL)
	})
}
