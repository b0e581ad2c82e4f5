package broker

import (
	"slices"
	"time"

	"github.com/quorate/quorate/farm"
)

// inspector holds everything that happens on a stage to what must always be so.
type inspector struct {
	*stage
	last    *farm.Picture
	since   map[wrong]time.Time // what may be so for a while only
	strange []wrong
}

// wrong is something that must not stay so.
type wrong struct{ what, who, where string }

// follow looks at every single write until the stage ends.
func (s *stage) follow() {
	in := &inspector{stage: s, last: &farm.Picture{}, since: map[wrong]time.Time{}}
	at := s.memory.Latest().Revision
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	news := make(chan farm.Revision)
	go func() {
		defer close(news)
		for seen := at; ; {
			view, err := s.memory.Wait(s.ctx, seen)
			if err != nil {
				return
			}
			seen = view.Revision
			select {
			case news <- seen:
			case <-s.ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case until, ok := <-news:
			if !ok {
				return
			}
			for at < until {
				at++
				p, err := s.memory.At(s.ctx, site, at)
				if err != nil {
					if s.ctx.Err() == nil {
						s.fault("revision %d: %v", at, err)
					}
					return
				}
				if p != nil {
					in.write(in.last, p)
					s.tellChange(in.last, p)
					in.last = p
				}
			}
		case <-tick.C:
		}
		in.look()
	}
}

// write is what must be true of every write.
func (in *inspector) write(was, now *farm.Picture) {
	if a, b := was.Seats.Value, now.Seats.Value; was.Seats.Revision != now.Seats.Revision && b.Epoch != a.Epoch+1 {
		in.fault("verdict %d follows verdict %d", b.Epoch, a.Epoch)
	}
	for id, record := range now.Owners {
		in.owner(id, now, was.Owners[id].Value, record.Value)
	}
	for id, r := range now.Reports {
		if o := now.Owners[id].Value; r != was.Reports[id] && r.Epoch != o.Epoch {
			in.fault("%s is reported %s of epoch %d, and is %s@%d", id, r.State, r.Epoch, cmpOr(o.Broker, "nobody"), o.Epoch)
		}
	}
	for id := range was.Owners {
		if _, kept := now.Owners[id]; !kept {
			in.fault("the record of %s is gone", id)
		}
	}
}

func (in *inspector) owner(id farm.ProviderID, now *farm.Picture, a, b farm.Ownership) {
	if a.Owner() == b.Owner() {
		if a.Epoch != b.Epoch && b.Broker != "" {
			in.fault("%s stays with %s and its epoch goes from %d to %d", id, b.Broker, a.Epoch, b.Epoch)
		}
		return
	}
	if b.Epoch != a.Epoch+1 {
		in.fault("%s goes from %s to %s and its epoch from %d to %d", id, a.Broker, b.Broker, a.Epoch, b.Epoch)
	}
	asked := a.Target != "" && b.Broker == a.Target && b.Incarnation == a.TargetIncarnation
	if now.Alive(a.Owner()) && !asked && b.Releasing != a.Broker {
		in.fault("%s is taken from %s, which is there and was not asked", id, a.Broker)
	}
	if a.Releasing != "" && now.Alive(farm.Life{Broker: a.Releasing, Incarnation: a.ReleasingIncarnation}) && b.Broker != "" {
		in.fault("%s goes to %s before %s has let go", id, b.Broker, a.Releasing)
	}
	if b.Broker == "" {
		return
	}
	if !now.Alive(b.Owner()) {
		in.fault("%s goes to %s, which is not there", id, b.Broker)
	}
	if v := now.Seats.Value; !asked && (v.State == farm.StateLost || !slices.Contains(v.Serving, b.Broker)) {
		in.fault("%s is given to %s, which does not serve (%s)", id, b.Broker, v.State)
	}
}

// look is what must be true at every moment, and what must not be so for long.
func (in *inspector) look() {
	var now *farm.Picture
	var active map[farm.ProviderID]*process
	for {
		now, active = in.picture(), in.plant.active()
		if in.picture().Revision == now.Revision {
			break
		}
	}
	in.strange = in.strange[:0]
	for _, id := range sortedKeys(active) {
		by, o := active[id], now.Owners[id].Value
		if o.Broker != "" && o.Broker != by.id && o.Releasing != by.id {
			in.fault("%s acts for %s, which is %s@%d", by.id, id, cmpOr(o.Broker, "nobody"), o.Epoch)
		}
		in.acts(now, id, by)
	}
	if v := now.Seats.Value; v.Armed && now.Coordinator.Broker != "" && v.State != farm.StateLost {
		for _, id := range sortedKeys(now.Owners) {
			if o := now.Owners[id].Value; now.Alive(o.Owner()) && !slices.Contains(v.Serving, o.Broker) {
				in.notFor(outside, wrong{"owns without serving", string(o.Broker), string(id)})
			}
		}
	}
	for w := range in.since {
		if !slices.Contains(in.strange, w) {
			delete(in.since, w)
		}
	}
}

// What may be so for how long. outside counts from when the Site was last left
// alone: a handover takes the owner's word, and each fault may cost another one.
const (
	outside  = 2*testTTL + 10*time.Second
	abandons = time.Second
	without  = testTTL
	promises = farm.PromiseLasts + testTTL + time.Second
)

// acts is what must not be so for long of who acts.
func (in *inspector) acts(now *farm.Picture, id farm.ProviderID, by *process) {
	in.mu.Lock()
	cut, whole := by.cut, by.whole
	in.mu.Unlock()
	who, where := string(by.id), string(id)
	// Who keeps serving without storage does not know that it is nobody's now: with
	// failsafe it may, as long as nobody else can be given it.
	if o := now.Owners[id].Value; cut.IsZero() && o.Broker == "" && o.Releasing != by.id {
		in.notFor(abandons, wrong{"acts for what is nobody's", who, where})
	}
	switch {
	case cut.IsZero():
		if now.Seats.Value.State == farm.StateLost && by.path.steady() && time.Since(whole) > testTTL {
			in.notFor(abandons, wrong{"acts although the majority is lost", who, where})
		}
	case time.Since(cut) <= without:
	case !now.Site.Value.Failsafe && !by.path.Latest().Sites[site].Site.Value.Failsafe:
		in.fault("%s acts for %s, without storage since %v", by.id, id, time.Since(cut))
	default:
		for _, seat := range by.path.Latest().Sites[site].Seats.Value.Seats {
			if seat.Occupant != "" && seat.Occupant != by.id && in.cannotPromise(seat.Occupant) {
				in.fault("%s acts for %s without storage since %v, but %s does not leave it that", by.id, id, time.Since(cut), seat.Occupant)
			}
		}
	}
}

// cannotPromise reports whether a broker has long been dead, or had storage.
func (in *inspector) cannotPromise(id farm.BrokerID) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	p := in.processes[id]
	if p == nil {
		return time.Since(in.left[id]) > promises
	}
	return !p.whole.IsZero() && p.path.steady() && time.Since(p.whole) > promises
}

// notFor is a fault once it has been so for longer than d, with nothing done to
// the Site.
func (in *inspector) notFor(d time.Duration, w wrong) {
	in.strange = append(in.strange, w)
	began, known := in.since[w]
	if !known {
		in.since[w] = time.Now()
		return
	}
	in.mu.Lock()
	quiet := in.quiet
	in.mu.Unlock()
	if quiet.After(began) {
		began = quiet
	}
	if time.Since(began) > d {
		in.fault("%s %s, of %s, for longer than %v", w.who, w.what, w.where, d)
		delete(in.since, w)
	}
}
