package broker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
	"github.com/quorate/quorate/store"
)

func owners(p *farm.Picture) map[farm.ProviderID]farm.BrokerID {
	m := map[farm.ProviderID]farm.BrokerID{}
	for id, o := range p.Owners {
		m[id] = o.Value.Broker
	}
	return m
}

func state(s farm.State) func(*farm.Picture) bool {
	return func(p *farm.Picture) bool { return p.Seats.Value.State == s }
}

func TestABrokerCutOffFromStorageIsReplacedAndComesHome(t *testing.T) {
	inLab(t, func(l *lab) {
		l.startAll(3, 1)
		l.await("armed", state(farm.StateOn))
		for _, id := range []farm.ProviderID{"vc-1", "vc-2", "vc-3"} {
			l.provider(id, farm.Automatic)
		}
		before := l.connected("vc-1", "vc-2", "vc-3")
		lost := before.Coordinator.Broker
		var its farm.ProviderID // what the coordinator owns: each owns one
		for id, b := range owners(before) {
			if b == lost {
				its = id
			}
		}
		epoch := before.Owners[its].Value.Epoch
		began := time.Now()
		l.cut(lost, true)
		l.await("taken over", func(p *farm.Picture) bool { return p.Owners[its].Value.Broker != lost })
		after := l.connected("vc-1", "vc-2", "vc-3")
		if took := time.Since(began); took > testTTL+time.Second {
			t.Errorf("taken over after %s", took)
		}
		o := after.Owners[its].Value
		if o.Broker != "cb-4" || o.Epoch != epoch+1 || o.Reason != farm.ReasonBrokerOffline {
			t.Errorf("%s is %+v; want it at the activated standby, one epoch on", its, o)
		}
		l.cut(lost, false)
		l.await("as before", func(p *farm.Picture) bool {
			for id, b := range owners(before) {
				if p.Owners[id].Value.Broker != b {
					return false
				}
			}
			return p.Seats.Value.State == farm.StateOn && p.BrokerStatus("cb-4").Role == farm.RoleStandby
		})
		if took := time.Since(began); took < farm.DefaultHoldDown {
			t.Errorf("came home after %s, before the hold-down", took)
		}
	})
}

func TestAStoppedBrokerHandsOverWithoutAGap(t *testing.T) {
	inLab(t, func(l *lab) {
		l.startAll(3, 0)
		l.await("armed", state(farm.StateOn))
		l.provider("vc-1", farm.Manual("cb-2"))
		l.provider("vc-2", farm.Manual("cb-2"))
		from := l.connected("vc-1", "vc-2").Revision
		began := time.Now()
		l.stop("cb-2")
		if took := time.Since(began); took > testTTL/2 {
			t.Errorf("stopping took %s", took)
		}
		after := l.connected("vc-1", "vc-2")
		for at := from; at <= after.Revision; at++ {
			p, err := l.memory.At(l.ctx, site, at)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range []farm.ProviderID{"vc-1", "vc-2"} {
				if !p.Alive(p.Owners[id].Value.Owner()) {
					t.Errorf("at revision %d nobody owns %s", at, id)
				}
			}
		}
		if after.Owners["vc-1"].Value.Reason != farm.ReasonBrokerDraining {
			t.Errorf("reason %s", after.Owners["vc-1"].Value.Reason)
		}
	})
}

func TestAllBrokersStopAtOnce(t *testing.T) {
	inLab(t, func(l *lab) {
		l.startAll(3, 1)
		l.provider("vc-1", farm.Manual("cb-1"))
		l.connected("vc-1")
		began := time.Now()
		for _, r := range l.brokers {
			r.stop()
		}
		for _, r := range l.brokers {
			<-r.done
		}
		if took := time.Since(began); took > testTTL {
			t.Errorf("stopping took %s", took)
		}
	})
}

func TestAnOperatorsMoveAndUnpin(t *testing.T) {
	inLab(t, func(l *lab) {
		l.startAll(3, 0)
		l.await("armed", state(farm.StateOn))
		l.provider("vc-1", farm.Manual("cb-1"))
		l.connected("vc-1")
		connects := l.pool.count()
		l.editProvider("vc-1", func(c *farm.Provider) { c.MovedTo = "cb-3" })
		l.await("moved", func(p *farm.Picture) bool {
			return p.Owners["vc-1"].Value.Broker == "cb-3" && p.ProviderStatus("vc-1").State == farm.ProviderConnected
		})
		if n := l.pool.count() - connects; n != 1 {
			t.Errorf("the move took %d connects", n)
		}
		l.editProvider("vc-1", func(c *farm.Provider) { c.MovedTo = "" })
		l.await("back at its preferred broker", func(p *farm.Picture) bool { return p.Owners["vc-1"].Value.Broker == "cb-1" })
	})
}

func TestTwoOfFourLostAbandonEverythingAndOneBackServesEverything(t *testing.T) {
	inLab(t, func(l *lab) {
		l.startAll(4, 0)
		l.await("armed", state(farm.StateOn))
		ids := []farm.ProviderID{"vc-1", "vc-2", "vc-3", "vc-4"}
		for _, id := range ids {
			l.provider(id, farm.Automatic)
		}
		l.connected(ids...)
		l.cut("cb-1", true)
		l.cut("cb-2", true)
		p := l.await("lost", state(farm.StateLost))
		for _, id := range ids {
			if st := p.ProviderStatus(id); st.State != farm.ProviderAbandoned {
				t.Errorf("%s is %s at the moment of the loss", id, st.State)
			}
		}
		l.await("released", func(p *farm.Picture) bool {
			for _, o := range p.Owners {
				if o.Value.Broker != "" || p.Alive(farm.Life{Broker: o.Value.Releasing, Incarnation: o.Value.ReleasingIncarnation}) {
					return false
				}
			}
			return true
		})
		synctest.Wait()
		if who := l.pool.active(); len(who) != 0 {
			t.Errorf("still acting: %v", who)
		}
		l.cut("cb-2", false)
		l.await("degraded", state(farm.StateDegraded))
		l.connected(ids...)
	})
}

func TestWithHighAvailabilityOffAProviderWaitsForItsBroker(t *testing.T) {
	inLab(t, func(l *lab) {
		l.startAll(2, 0)
		l.provider("vc-1", farm.Manual("cb-1"))
		l.connected("vc-1")
		l.stop("cb-1")
		p := l.await("unavailable", func(p *farm.Picture) bool {
			return p.ProviderStatus("vc-1").State == farm.ProviderUnavailable && p.Coordinator.Broker == "cb-2"
		})
		if st := p.ProviderStatus("vc-1"); st.Reason != farm.ReasonHighAvailabilityOff {
			t.Errorf("reason %s: %s", st.Reason, st.Message)
		}
		l.start("cb-1", farm.ModeActive)
		l.connected("vc-1")
	})
}

func TestAFailedProviderSaysWhyAndAnEditRetriesAtOnce(t *testing.T) {
	inLab(t, func(l *lab) {
		l.startAll(3, 0)
		l.pool.set(func() { l.pool.password = "right" })
		l.provider("vc-1", farm.Manual("cb-1"))
		p := l.await("failed", func(p *farm.Picture) bool { return p.ProviderStatus("vc-1").State == farm.ProviderFailed })
		if st := p.ProviderStatus("vc-1"); st.Reason != farm.ReasonInvalidCredentials || st.Message != "The user name or password was refused." {
			t.Errorf("reason %s: %s", st.Reason, st.Message)
		}
		time.Sleep(10 * time.Minute) // virtual: the retries are far apart by now
		connects := l.pool.count()
		time.Sleep(10 * longestRetry)
		if n := l.pool.count() - connects; n < 9 || n > 21 {
			t.Errorf("%d tries in %s", n, 10*longestRetry)
		}
		began := time.Now()
		secret := "right"
		l.edit(func(p *farm.Picture) store.Change {
			c := p.Providers["vc-1"].Value
			c.Description = "the password is right now"
			return store.Change{PutProvider: &c, Secret: &secret}
		})
		l.connected("vc-1")
		if took := time.Since(began); took > time.Second {
			t.Errorf("the edit took effect after %s", took)
		}
	})
}

func TestALostConnectionIsMadeAgain(t *testing.T) {
	inLab(t, func(l *lab) {
		l.startAll(3, 0)
		l.provider("vc-1", farm.Manual("cb-1"))
		l.connected("vc-1")
		l.pool.set(func() { l.pool.broken = true })
		l.await("failed", func(p *farm.Picture) bool { return p.ProviderStatus("vc-1").State == farm.ProviderFailed })
		l.pool.set(func() { l.pool.broken = false })
		p := l.connected("vc-1")
		for _, want := range []string{
			"Broker cb-1 is connected; 1 Host.", "The connection was lost. The connection to the server failed. Connecting again.",
		} {
			if !slices.ContainsFunc(p.Events, func(e farm.Event) bool { return e.Message == want }) {
				t.Errorf("nobody said %q", want)
			}
		}
	})
}

func TestASecretThatCannotBeOpenedIsSaidSo(t *testing.T) {
	err := unread(fmt.Errorf("read secret: %w", store.ErrSecretKey))
	if said := provider.Sentence(err); !strings.Contains(said, "give this server the Farm's key") || provider.Reason(err) != farm.ReasonSecretKeyMissing {
		t.Errorf("%s: %s", provider.Reason(err), said)
	}
}

func TestADisabledProviderIsLetGo(t *testing.T) {
	inLab(t, func(l *lab) {
		l.startAll(3, 0)
		l.provider("vc-1", farm.Manual("cb-1"))
		l.connected("vc-1")
		l.editProvider("vc-1", func(c *farm.Provider) { c.Enabled = false })
		l.await("released", func(p *farm.Picture) bool {
			o := p.Owners["vc-1"].Value
			return o.Broker == "" && o.Releasing == "" && o.Reason == farm.ReasonProviderDisabled
		})
		l.editProvider("vc-1", func(c *farm.Provider) { c.Enabled = true })
		l.connected("vc-1")
	})
}

func TestDefaultsNeedOnlyIdentityAndFaultsAreReportedTogether(t *testing.T) {
	c := DefaultConfig()
	c.TTL, c.Margin, c.Mode = 100*time.Millisecond, time.Millisecond, "boss"
	err := c.Validate()
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) < 5 {
		t.Errorf("got %v", err)
	}
}

// An agent that knew the old address but read the new secret would send it to
// the old address.
func TestASecretIsSentOnlyWhereItWasStoredFor(t *testing.T) {
	inLab(t, func(l *lab) {
		save := func(address, secret string) {
			l.edit(func(*farm.Picture) store.Change {
				return store.Change{Secret: &secret, PutProvider: &farm.Provider{
					ID: "vc-1", Type: "pool", Username: "vc-1", Address: address, Enabled: true, Preferred: farm.Manual("cb-1"),
				}}
			})
		}
		l.pool.password = "new"
		l.startAll(1, 0)
		l.reading = func() { save("there", "new") }
		save("here", "old")
		l.connected("vc-1")
		if got := l.pool.logins; !slices.Equal(got, []string{"there new"}) {
			t.Errorf("logins: %q", got)
		}
	})
}

// A Farm that was put back shows a life as if it went on, and lets it own again
// what it has given away since.
func TestALostLifeDoesNotActThoughTheViewShowsItAsOwner(t *testing.T) {
	inLab(t, func(l *lab) {
		l.startAll(3, 0)
		l.await("armed", state(farm.StateOn))
		l.lost.Store("cb-2")
		l.provider("vc-1", farm.Manual("cb-2"))
		l.await("owned", func(p *farm.Picture) bool { return p.Owners["vc-1"].Value.Broker == "cb-2" })
		time.Sleep(testTTL)
		if acting := l.pool.active(); len(acting) != 0 {
			t.Errorf("it acts: %v", acting)
		}
		l.lost.Store("")
		l.provider("vc-2", farm.Manual("cb-2"))
		l.connected("vc-1", "vc-2")
	})
}

func TestAnOnlineBrokersAddressIsItsOwn(t *testing.T) {
	inLab(t, func(l *lab) {
		l.startAll(1, 0)
		l.await("its address is known", func(p *farm.Picture) bool { return p.Brokers["cb-1"].Value.Address == "http://cb-1" })
		l.edit(func(p *farm.Picture) store.Change {
			b := p.Brokers["cb-1"].Value
			b.Address, b.Name = "http://another-machine", "imported"
			return store.Change{PutBrokers: []farm.Broker{b}}
		})
		p := l.await("it is right again", func(p *farm.Picture) bool { return p.Brokers["cb-1"].Value.Address == "http://cb-1" })
		if p.Brokers["cb-1"].Value.Name != "imported" {
			t.Errorf("%+v", p.Brokers["cb-1"])
		}
	})
}
