package broker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/farm"
)

type ids = []farm.BrokerID

// excluded is how long it takes at most until a broker that is cut off from the
// others, and not from storage, has handed over.
const excluded = (farm.ContactMisses+1)*farm.ContactTimeout + farm.ContactSettles + 100*time.Millisecond

func TestABrokerCutOffFromItsPeersHandsOver(t *testing.T) {
	inLab(t, func(l *lab) {
		l.startAll(3, 0)
		l.provider("vc-1", farm.Preference{Mode: farm.PreferenceManual, Broker: "cb-3"})
		l.connected("vc-1")
		cut := time.Now()
		l.net.between(ids{"cb-3"}, ids{"cb-1", "cb-2"}, true)
		p := l.await("taken over", func(p *farm.Picture) bool {
			return p.ProviderStatus("vc-1").State == farm.ProviderConnected && p.Owners["vc-1"].Value.Broker != "cb-3"
		})
		if took := time.Since(cut); took > excluded {
			t.Errorf("it took %v, more than %v", took, excluded)
		}
		if o := p.Owners["vc-1"].Value; o.Reason != farm.ReasonBrokerOutOfContact || o.Epoch != 2 {
			t.Errorf("%+v", o)
		}
		v := p.Seats.Value
		if v.State != farm.StateDegraded || v.Reason != farm.ReasonSeatOutOfContact || len(v.Serving) != 2 {
			t.Errorf("%+v", v)
		}
		contact := p.Contact()
		if contact["cb-3"]["cb-1"] || contact["cb-1"]["cb-3"] || !contact["cb-1"]["cb-2"] {
			t.Errorf("%v", contact)
		}
		l.net.between(ids{"cb-3"}, ids{"cb-1", "cb-2"}, false)
		l.await("at home again", func(p *farm.Picture) bool {
			return p.Seats.Value.State == farm.StateOn && p.Owners["vc-1"].Value.Broker == "cb-3"
		})
	})
}

func TestACutInOneDirectionIsACut(t *testing.T) {
	inLab(t, func(l *lab) {
		l.startAll(3, 0)
		l.await("on", func(p *farm.Picture) bool { return p.Seats.Value.State == farm.StateOn })
		l.net.one("cb-2", "cb-3", true)
		p := l.await("degraded", func(p *farm.Picture) bool { return p.Seats.Value.State == farm.StateDegraded })
		if contact := p.Contact(); contact["cb-3"]["cb-2"] || contact["cb-2"]["cb-3"] || !contact["cb-1"]["cb-2"] || !contact["cb-1"]["cb-3"] {
			t.Errorf("%v", contact)
		}
	})
}

// All four abandon in one revision, although storage answers them all.
func TestTwoAndTwoAbandonAllTogether(t *testing.T) {
	inLab(t, func(l *lab) {
		l.startAll(4, 0)
		for i, id := range []farm.ProviderID{"vc-1", "vc-2", "vc-3", "vc-4"} {
			l.provider(id, farm.Preference{Mode: farm.PreferenceManual, Broker: ids{"cb-1", "cb-2", "cb-3", "cb-4"}[i]})
		}
		l.connected("vc-1", "vc-2", "vc-3", "vc-4")
		time.Sleep(farm.ContactHeals) // in which everybody has answered everybody
		before := l.memory.Latest().Sites[site].Seats.Value.Epoch
		l.net.between(ids{"cb-1", "cb-2"}, ids{"cb-3", "cb-4"}, true)
		p := l.await("lost", func(p *farm.Picture) bool { return p.Seats.Value.State == farm.StateLost })
		if p.Seats.Value.Epoch != before+1 {
			t.Errorf("there were %d verdicts", p.Seats.Value.Epoch-before)
		}
		for id := range p.Providers {
			if st := p.ProviderStatus(id); st.State != farm.ProviderAbandoned {
				t.Errorf("%s: %+v", id, st)
			}
		}
		l.await("nobody acts", func(*farm.Picture) bool { synctest.Wait(); return len(l.pool.active()) == 0 })
		l.net.between(ids{"cb-1", "cb-2"}, ids{"cb-3", "cb-4"}, false)
		l.await("on", func(p *farm.Picture) bool { return p.Seats.Value.State == farm.StateOn })
		l.connected("vc-1", "vc-2", "vc-3", "vc-4")
	})
}

// One that starts on the wrong side of a cut is never in the serving group.
func TestABrokerThatStartsCutOffIsNotInContact(t *testing.T) {
	inLab(t, func(l *lab) {
		l.startAll(3, 0)
		l.stop("cb-3")
		l.await("offline", func(p *farm.Picture) bool { return !p.Online("cb-3") })
		l.net.between(ids{"cb-3"}, ids{"cb-1", "cb-2"}, true)
		l.start("cb-3", farm.ModeActive)
		p := l.await("online", func(p *farm.Picture) bool { return p.Online("cb-3") })
		if contact := p.Contact(); contact["cb-3"]["cb-1"] || contact["cb-3"]["cb-2"] {
			t.Errorf("%v", contact)
		}
		time.Sleep(10 * time.Second)
		if v := l.memory.Latest().Sites[site].Seats.Value; v.State != farm.StateDegraded || v.Reason != farm.ReasonSeatOutOfContact {
			t.Errorf("%+v", v)
		}
	})
}

// A moment without an answer is no cut; and one that comes and goes heals later
// each time.
func TestContactIsDamped(t *testing.T) {
	now := time.Unix(0, 0)
	a := acquaintance{damping: contactDamping, answers: true}
	tell := func(answered bool, times int) (changes int) {
		for range times {
			now = now.Add(farm.ContactEvery)
			if a.learn(answered, now) {
				changes++
			}
		}
		return changes
	}
	if tell(false, farm.ContactMisses-1)+tell(true, 1)+tell(false, farm.ContactMisses-1)+tell(true, 1) != 0 {
		t.Error("single misses count")
	}
	heal := int(farm.ContactHeals/farm.ContactEvery) + 1
	for want := heal; want < 60; want = 2*(want-1) + 1 {
		if tell(false, farm.ContactMisses) != 1 || a.answers {
			t.Fatal("not lost")
		}
		if n := tell(true, want-1); n != 0 {
			t.Fatalf("healed before %d answers", want)
		}
		if n := tell(true, 1); n != 1 || !a.answers {
			t.Fatalf("not healed after %d answers", want)
		}
	}
	tell(true, steadyHeals*60)
	tell(false, farm.ContactMisses)
	if tell(true, heal) != 1 {
		t.Error("what was steady for long heals slowly")
	}
}

func TestOnlyTheLifeItselfAnswers(t *testing.T) {
	inLab(t, func(l *lab) {
		l.startAll(2, 0)
		p := l.await("both", func(p *farm.Picture) bool { return p.Online("cb-1") && p.Online("cb-2") })
		synctest.Wait() // until cb-2 knows that it is registered
		c := Config{Site: site, Broker: "cb-1", Line: l.net.line("cb-9")}
		other := p.Presence["cb-2"]
		if _, err := c.ask(l.ctx, other, 0); err != nil {
			t.Error(err)
		}
		for what, spoil := range map[string]func(*farm.Presence){
			"another life":   func(p *farm.Presence) { p.Incarnation++ },
			"another key":    func(p *farm.Presence) { p.ContactKey = newKey() },
			"no key":         func(p *farm.Presence) { p.ContactKey = nil },
			"another broker": func(p *farm.Presence) { p.Address = "http://cb-1" },
			"nobody":         func(p *farm.Presence) { p.Address = "http://cb-7" },
		} {
			spoilt := other
			spoil(&spoilt)
			if _, err := c.ask(l.ctx, spoilt, 0); err == nil {
				t.Errorf("%s answers", what)
			}
		}
		// What was asked is no answer, although the key is the same.
		c.Line = NewLine(func(_ context.Context, _ string, message []byte) ([]byte, error) { return message, nil })
		if _, err := c.ask(l.ctx, other, 0); err == nil {
			t.Error("an echo answers")
		}
	})
}
