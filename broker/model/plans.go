package model

// planSteps: a coordinator looks at the newest picture, decides, and sends what it
// has decided. The rules are those of farm.Plan, in so far as they are about
// safety; where they choose by wishes and numbers, here everything may be chosen.
func (m protocol) planSteps(s ownership, i int8, take func(step, ownership)) {
	send := func(what string, wish bool, w wants, to int8) {
		next := s
		p := plan{wants: w, to: to, was: s.record, deposed: s.coordinator != i}
		p.live = to != nobody && s.b[to].present
		next.b[i].plan = p
		m.tidy(&next)
		take(step{what: what, by: i, to: to, fault: wish}, next)
	}
	r := s.record
	free := r.owner == nobody || !r.ownerLive || m.gone || m.ownWord && r.target != nobody
	waits := r.releasing != nobody && r.releasingLive && !m.releasing
	for x := range int8(owners) {
		if !s.b[x].present {
			continue
		}
		if free && !waits && !(r.owner == x && r.ownerLive) {
			send("orders: the owner is", r.owner != nobody && r.ownerLive, assign, x)
		}
		if r.owner != nobody && r.ownerLive && r.owner != x && !(r.target == x && r.targetLive) {
			send("orders a handover to", true, target, x)
		}
	}
	if r.owner == nobody {
		return
	}
	if r.ownerLive && r.target != nobody {
		send("takes the order back", r.targetLive, cancel, nobody)
	}
	send("orders: nobody is the owner", true, withdraw, nobody)
}

// next is the record that a plan makes.
func (p plan) next() record {
	r := p.was
	switch p.wants {
	case noPlan:
	case assign:
		r = record{owner: p.to, ownerLive: p.live, target: nobody, releasing: nobody}
	case target:
		r.target, r.targetLive = p.to, p.live
	case cancel:
		r.target, r.targetLive = nobody, false
	case withdraw:
		r = record{owner: nobody, target: nobody, releasing: nobody}
		if p.was.ownerLive {
			r.releasing, r.releasingLive = p.was.owner, true
		}
	}
	return r
}

// allows reports whether the compares of a plan's transaction hold.
func (m protocol) allows(p plan) bool {
	switch {
	case p.deposed && !m.term, p.stale && !m.record:
		return false
	case !p.live && (p.wants == assign || p.wants == target) && !m.targetCompare:
		return false
	case p.wants != assign || m.gone || m.goneCompare || m.ownWord:
		return true
	}
	return !p.was.ownerLive && (!p.was.releasingLive || m.releasing)
}

// writes: what is on its way to storage arrives, or is lost.
func (m protocol) writes(s ownership, i int8, take func(step, ownership)) {
	b := s.b[i]
	arrive := func(what string, raises bool, w fresh, r record) {
		next := s
		next.b[i].forget(what)
		how := step{what: what, by: i, to: nobody}
		if w.raised {
			how.wrong = "an epoch does not rise"
		}
		next.record = r
		for j := range next.b {
			o := &next.b[j]
			o.duty.wrote(raises)
			o.word.wrote(raises)
			o.plan.wrote(raises)
		}
		m.tidy(&next)
		take(how, next)
	}
	lost := func(what, of string) {
		next := s
		next.b[i].forget(of)
		m.tidy(&next)
		take(step{what: what, by: i, to: nobody, fault: true}, next)
	}
	if p := b.plan; p.wants != noPlan {
		if m.allows(p) {
			arrive(ordered, p.wants == assign || p.wants == withdraw, p.fresh, p.next())
		}
		lost("has its order lost or refused", ordered)
	}
	if w := b.word; w.asks != nothing {
		if m.hears(w, i) {
			arrive(told, w.asks == handOver, w.fresh, w.next())
		}
		lost("has its word lost or refused", told)
	}
}

const (
	ordered = "has its order stored"
	told    = "has its word stored"
)

func (b *broker) forget(what string) {
	if what == ordered {
		b.plan = plan{}
	} else {
		b.word = duty{}
	}
}

func (f *fresh) wrote(raises bool) {
	f.stale, f.raised = true, f.raised || raises
}

// next is the record that an owner's word makes.
func (d duty) next() record {
	r := d.was
	if d.asks == handOver {
		return record{owner: r.target, ownerLive: r.targetLive, target: nobody, releasing: nobody}
	}
	r.releasing, r.releasingLive = nobody, false
	return r
}

// hears reports whether the compares of an owner's transaction hold: its own life
// is there, the target's too, and the record is as it was.
func (m protocol) hears(d duty, i int8) bool {
	r := d.was
	here := r.owner == i && r.ownerLive || r.releasing == i && r.releasingLive
	return here && (!d.stale || m.record) && (d.asks != handOver || r.targetLive || m.targetCompare)
}
