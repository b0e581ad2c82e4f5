package model

func (m protocol) steps(s ownership, take func(step, ownership)) {
	m.tick(s, take)
	for i := range int8(brokers) {
		b := s.b[i]
		do := func(what string, fault bool, change func(*ownership, *broker)) {
			next := s
			change(&next, &next.b[i])
			m.tidy(&next)
			take(step{what: what, by: i, to: nobody, fault: fault}, next)
		}
		m.storageSteps(b, i, do)
		m.processSteps(b, i, do)
		m.writes(s, i, take)
		if b.paused || b.process == dead {
			continue
		}
		m.lifeSteps(s, b, i, do)
		if b.process == member && i < owners {
			m.agentSteps(s, b, i, do)
		}
		if b.process == member && b.elected && b.plan.wants == noPlan {
			m.planSteps(s, i, take)
		}
	}
}

type doing func(what string, fault bool, change func(*ownership, *broker))

// tick: storage and all clocks go on. The timer of an agent's permit is prompt,
// unless its process is paused.
func (m protocol) tick(s ownership, take func(step, ownership)) {
	for i := range s.b[:owners] {
		b := &s.b[i]
		acts := m.begins(*b)
		if acts {
			b.calls = m.margin + 1
		}
		b.calls = max(0, b.calls-1)
		b.lease = max(0, b.lease-1)
		b.permit = max(0, b.permit-1)
		if b.reply != none {
			b.reply++
		}
		if b.agent == acting && b.permit == 0 && b.process == member && !b.paused {
			b.agent = stopping
		}
		if m.begins(*b) {
			b.calls = 0 // it can begin another one anyway
		}
	}
	m.tidy(&s)
	take(step{what: "time goes on", by: nobody, to: nobody}, s)
}

// storageSteps: the lease ends, at its time or later.
func (m protocol) storageSteps(b broker, i int8, do doing) {
	runs := b.mine && b.process != dead
	if b.present && b.lease == 0 {
		do("is lost: its lease has ended", runs, func(s *ownership, _ *broker) { s.end(i) })
	}
	if b.present && i < owners && (b.process == dead || b.process == joining && !b.mine || m.death && b.paused) {
		do("has its lease revoked by the guard", runs, func(s *ownership, _ *broker) { s.end(i) })
	}
}

// processSteps: it is paused, goes on, dies, is started again.
func (m protocol) processSteps(b broker, i int8, do doing) {
	switch {
	case b.process == dead:
		if i < owners || m.third {
			do("is started", false, func(_ *ownership, b *broker) { b.process = joining })
		}
		return
	case b.paused:
		do("goes on", false, func(_ *ownership, b *broker) {
			b.paused = false
			if m.begins(*b) {
				b.calls = 0
			}
		})
	case i < owners:
		do("is paused", true, func(_ *ownership, b *broker) {
			if m.begins(*b) {
				b.calls = m.margin + 1
			}
			b.paused = true
		})
	}
	do("dies", true, func(_ *ownership, b *broker) {
		calls := int8(0)
		if m.bytesOfDead {
			if calls = b.calls; m.begins(*b) {
				calls = m.margin + 1
			}
		}
		*b = broker{present: b.present, lease: b.lease, reply: none, calls: calls, plan: b.plan, word: b.word}
	})
}

// lifeSteps: it registers, renews, learns that it is lost, leaves, is elected.
func (m protocol) lifeSteps(s ownership, b broker, i int8, do doing) {
	switch b.process {
	case dead:
	case joining:
		if !b.present {
			do("registers", false, func(s *ownership, b *broker) {
				s.end(i)
				b.process, b.present, b.mine, b.lease = member, true, true, m.leaseOf(i)
			})
		}
	case ending:
		switch {
		case b.agent != idle:
			do("has stopped its agent", false, func(_ *ownership, b *broker) { b.agent, b.calls = idle, 0 })
		default:
			do("is gone, and its presence with it", false, func(s *ownership, b *broker) {
				if b.mine {
					s.end(i)
				}
				b.process = joining
			})
		}
	case member:
		if !b.mine {
			do("learns that it is lost", false, func(_ *ownership, b *broker) { m.endLife(b) })
			break
		}
		do("is told to leave", true, func(_ *ownership, b *broker) { m.endLife(b) })
		if i < owners {
			do("renews its lease; the answer is on its way", false, func(_ *ownership, b *broker) { b.lease, b.reply = m.ttl, 0 })
		}
		if s.coordinator == nobody {
			do("is elected", false, func(s *ownership, b *broker) { s.coordinator, b.elected = i, true })
		}
		if s.coordinator == i {
			do("resigns; it has not heard yet that it has", true, func(s *ownership, _ *broker) { s.depose() })
		}
	}
	if b.reply != none {
		do("hears that its lease is renewed", false, func(_ *ownership, b *broker) {
			b.permit, b.reply = max(b.permit, m.granted(b.reply)), none
		})
	}
}

// leaseOf: how old the third broker's lease is, is not looked at; it may end at any
// time.
func (m protocol) leaseOf(i int8) int8 {
	if i < owners {
		return m.ttl
	}
	return 0
}

// granted is how long a broker may act by an acknowledgement of that age.
func (m protocol) granted(age int8) int8 {
	if m.sendTime {
		age = 0
	}
	if m.without.margin {
		return m.ttl - age
	}
	return m.ttl - m.margin - age
}

// endLife ends the right to act, for good.
func (m protocol) endLife(b *broker) {
	if b.agent == acting {
		m.stop(b)
	}
	b.process, b.permit, b.reply, b.elected, b.duty = ending, 0, none, false, duty{}
}

// stop ends an agent: it begins no call any more.
func (m protocol) stop(b *broker) {
	if m.begins(*b) {
		b.calls = m.margin + 1
	}
	b.agent = stopping
	if m.drained {
		b.agent = idle
	}
}

// agentSteps: the keeper of the Provider looks at the newest record and does what
// it asks.
func (m protocol) agentSteps(s ownership, b broker, i int8, do doing) {
	if b.mine {
		do("looks at the record", false, func(s *ownership, b *broker) { b.duty = s.read(i) })
	}
	switch b.agent {
	case idle:
		switch {
		case b.duty.asks == act && b.permit > 0:
			do("begins to act", false, func(_ *ownership, b *broker) {
				b.agent, b.calls = acting, 0
			})
		case b.duty.asks >= handOver && b.word.asks == nothing:
			do("sends its word", false, func(_ *ownership, b *broker) { b.word = b.duty })
		}
	case acting:
		if b.duty.asks != act {
			do("tells its agent to stop", false, func(_ *ownership, b *broker) { m.stop(b) })
		}
	case stopping:
		do("has stopped its agent", false, func(_ *ownership, b *broker) { b.agent, b.calls = idle, 0 })
	}
}

// read is what the record asks of a broker.
func (s *ownership) read(i int8) duty {
	r := s.record
	switch {
	case r.owner == i && r.ownerLive && r.target == nobody:
		return duty{asks: act}
	case r.owner == i && r.ownerLive:
		return duty{asks: handOver, was: r}
	case r.releasing == i && r.releasingLive:
		return duty{asks: release, was: r}
	}
	return duty{}
}
