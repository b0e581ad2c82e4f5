package broker

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/farm"
)

func TestAProviderThatItsOwnerCannotReachGoesToOneThatCan(t *testing.T) {
	inLab(t, func(l *lab) {
		l.served(3, 0)
		before := l.memory.Latest().Sites[site].Owners["vc-1"].Value
		failed := time.Now()
		l.pool.set(func() { l.pool.away["cb-1"] = true })
		p := l.await("moved", func(p *farm.Picture) bool { return p.Owners["vc-1"].Value.Broker != "cb-1" })
		took := time.Since(failed)
		if took < farm.PathFails || took > farm.PathFails+3*time.Second {
			t.Errorf("it took %v", took)
		}
		o := p.Owners["vc-1"].Value
		if o.Reason != farm.ReasonProviderUnreachable || o.Epoch != before.Epoch+1 {
			t.Errorf("%+v", o)
		}
		l.connected("vc-1")
		if st := p.ProviderStatus("vc-1"); st.Preference.Honored || st.Preference.Reason != farm.ReasonProviderUnreachable {
			t.Errorf("%+v", st.Preference)
		}
		time.Sleep(5 * time.Minute)
		if o := l.memory.Latest().Sites[site].Owners["vc-1"].Value; o.Epoch != before.Epoch+1 {
			t.Errorf("it was moved again: %+v", o)
		}
		mended := time.Now()
		l.pool.set(func() { l.pool.away["cb-1"] = false })
		l.await("back", func(p *farm.Picture) bool { return p.Owners["vc-1"].Value.Broker == "cb-1" })
		if took := time.Since(mended); took < farm.PathHeals {
			t.Errorf("back after %v", took)
		}
		l.connected("vc-1")
		synctest.Wait()
		l.await("nothing more is said", func(p *farm.Picture) bool {
			for _, here := range p.Presence {
				if len(here.Paths) != 0 {
					return false
				}
			}
			return true
		})
	})
}

func TestAProviderThatNobodyReachesStays(t *testing.T) {
	inLab(t, func(l *lab) {
		l.served(3, 0)
		before := l.memory.Latest().Sites[site].Owners["vc-1"].Value
		l.pool.set(func() { l.pool.broken = true })
		time.Sleep(5 * time.Minute)
		if o := l.memory.Latest().Sites[site].Owners["vc-1"].Value; o != before {
			t.Errorf("%+v", o)
		}
		l.pool.set(func() { l.pool.broken = false })
		l.connected(three...)
	})
}

// Whoever is reached and refuses is refused everywhere.
func TestAWrongPasswordMovesNothing(t *testing.T) {
	inLab(t, func(l *lab) {
		l.served(3, 0)
		before := l.memory.Latest().Sites[site].Owners["vc-1"].Value
		l.pool.set(func() { l.pool.password = "another"; l.pool.away["cb-1"] = true })
		time.Sleep(time.Second)
		l.pool.set(func() { l.pool.away["cb-1"] = false })
		time.Sleep(5 * time.Minute)
		if o := l.memory.Latest().Sites[site].Owners["vc-1"].Value; o != before {
			t.Errorf("%+v", o)
		}
	})
}
