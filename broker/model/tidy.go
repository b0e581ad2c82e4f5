package model

// end ends the life of a broker that is present: whoever names it names one that
// is gone.
func (s *ownership) end(i int8) {
	b := &s.b[i]
	if !b.present {
		return
	}
	b.present, b.mine, b.lease = false, false, 0
	if s.coordinator == i {
		s.depose()
	}
	s.record.ended(i)
	for j := range s.b {
		o := &s.b[j]
		o.duty.was.ended(i)
		o.word.was.ended(i)
		o.plan.was.ended(i)
		if o.plan.to == i {
			o.plan.live = false
		}
	}
}

func (r *record) ended(i int8) {
	r.ownerLive = r.ownerLive && r.owner != i
	r.targetLive = r.targetLive && r.target != i
	r.releasingLive = r.releasingLive && r.releasing != i
}

// depose ends the term.
func (s *ownership) depose() {
	s.b[s.coordinator].plan.deposed = true
	s.coordinator = nobody
}

// tidy forgets what can make no difference any more, so that states which differ
// in nothing else are one.
func (m protocol) tidy(s *ownership) {
	for i := range s.b {
		b := &s.b[i]
		if b.plan.wants == noPlan || !m.allowsLater(b.plan) {
			b.plan = plan{}
		}
		if b.word.asks == nothing || !m.hears(b.word, int8(i)) {
			b.word = duty{}
		}
		if b.duty.asks == nothing || b.duty.asks == act {
			b.duty = duty{asks: b.duty.asks}
		} else if !m.hears(b.duty, int8(i)) {
			b.duty = duty{asks: b.duty.asks, fresh: fresh{stale: true}, was: record{owner: nobody, target: nobody, releasing: nobody}}
		}
		if b.reply != none && m.granted(b.reply) <= b.permit {
			b.reply = none // it says nothing new
		}
		if !m.term && s.coordinator != int8(i) {
			b.elected = false // what it orders is refused
		}
	}
}

// allowsLater reports whether a plan may still come to be allowed: what can change
// for it is that a life ends.
func (m protocol) allowsLater(p plan) bool {
	p.was.ownerLive, p.was.releasingLive = false, false
	return m.allows(p)
}
