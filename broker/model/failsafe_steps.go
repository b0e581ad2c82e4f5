package model

type changing func(what string, to int8, fault bool, change func(*serving, *server))

func (m failsafe) steps(s serving, take func(step, serving)) {
	m.tick(s, take)
	for i := range int8(people) {
		do := func(what string, to int8, fault bool, change func(*serving, *server)) {
			next := s
			if fault {
				if next.faults++; next.faults > m.faults {
					return
				}
			}
			change(&next, &next.s[i])
			m.tidy(&next)
			take(step{what: what, by: i, to: to, fault: fault}, next)
		}
		b := s.s[i]
		m.liveSteps(s, i, do)
		m.decisionSteps(s, i, do)
		if b.up {
			m.askSteps(s, i, do)
			m.decideSteps(s, i, do)
		}
	}
}

func (m failsafe) tick(s serving, take func(step, serving)) {
	for i := range s.s {
		b := &s.s[i]
		b.given, b.kept = max(0, b.given-1), max(0, b.kept-1)
		if b.round.asked != none {
			b.round.asked++
		}
	}
	m.tidy(&s)
	take(step{what: "time goes on", by: nobody, to: nobody}, s)
}

// liveSteps: leases are renewed, or end; processes die and start; Views come.
func (m failsafe) liveSteps(s serving, i int8, do changing) {
	b := s.s[i]
	if b.present {
		do("has its lease end", nobody, b.up, func(_ *serving, b *server) { b.present, b.decision.here = false, false })
	}
	if !b.up {
		if !b.present {
			do("is started and registers", nobody, false, func(s *serving, b *server) {
				b.up = true
				if !m.lets.began {
					b.given = m.word
				}
				s.register(i)
			})
		}
		return
	}
	do("dies", nobody, true, func(s *serving, b *server) {
		s.over(i)
		*b = server{present: b.present, decision: b.decision, round: round{asked: none}}
	})
	switch {
	case b.present:
		do("sees the newest View", nobody, false, func(s *serving, _ *server) { s.look(i) })
		if b.acked {
			do("has a renewal fail", nobody, true, func(_ *serving, b *server) { b.acked = false })
		} else {
			do("has its lease renewed", nobody, false, func(_ *serving, b *server) { b.acked, b.round = true, round{asked: none} })
		}
	default:
		if b.acked {
			do("has a renewal fail", nobody, true, func(_ *serving, b *server) { b.acked = false })
		}
		do("learns that it is lost, and registers anew", nobody, false, func(s *serving, _ *server) {
			s.over(i)
			s.register(i)
		})
	}
}

// over ends a life: whoever names it names one that is gone.
func (s *serving) over(i int8) {
	for j := range s.s {
		b := &s.s[j]
		b.view.present &^= 1 << i
		b.view.ended(i)
		b.decision.was.ended(i)
		b.decision.next.ended(i)
		// Who is gone cannot answer the question.
		if b.round.of.has(i) && !b.round.got.has(i) {
			b.round = round{asked: none}
		}
	}
	s.site.ended(i)
}

func (v *site) ended(i int8) { v.current = v.current && v.owner != i }

// register begins a life, with the newest View.
func (s *serving) register(i int8) {
	b := &s.s[i]
	b.present, b.acked, b.kept, b.round = true, true, 0, round{asked: none}
	s.look(i)
}

func (s *serving) look(i int8) {
	b := &s.s[i]
	if b.given > 0 && b.view.written != s.site.written {
		b.gained = true
	}
	b.view = seen{site: s.site}
	for j := range s.s {
		if s.s[j].present && s.s[j].up {
			b.view.present = b.view.present.with(int8(j))
		}
	}
	b.unseen = false
}

// askSteps: it asks all who may decide; they promise; it relies on that.
func (m failsafe) askSteps(s serving, i int8, do changing) {
	b := s.s[i]
	v := b.view
	if !b.acked && b.round.asked == none && v.owner == i && v.current && !v.lost && v.electors.has(i) &&
		(m.lets.itself || m.promises(b, v.verdict)) {
		do("asks all to leave it what it owns", nobody, false, func(_ *serving, b *server) {
			if !m.lets.itself {
				b.given, b.gained = m.word, false
			}
			b.round = round{asked: 0, verdict: v.verdict, of: v.electors &^ (1 << i)}
		})
	}
	r := b.round
	if r.asked == none {
		return
	}
	for x := range int8(people) {
		if !r.of.has(x) || r.got.has(x) || !m.promises(s.s[x], r.verdict) || !v.present.has(x) && !m.lets.life {
			continue
		}
		do("has the promise of", x, false, func(s *serving, b *server) {
			b.round.got = r.got.with(x)
			other := &s.s[x]
			other.given, other.gained = m.word, false
		})
	}
	if enough := r.got == r.of || m.lets.everybody && (r.got != 0 || r.of == 0); enough && !b.acked {
		do("goes on by what was promised", nobody, false, func(_ *serving, b *server) {
			b.kept, b.round = max(b.kept, m.relies(r.asked)), round{asked: none}
		})
	}
}

// promises reports whether a broker promises one that knows a verdict.
func (m failsafe) promises(b server, verdict int8) bool {
	return b.up && (!b.acked || m.lets.acked) &&
		(!b.deciding || m.lets.deciding) && (!b.unseen || m.lets.shown) &&
		!b.view.lost && (b.view.verdict == verdict || m.lets.verdict)
}

// relies is for how long calls may arrive by promises asked for so long ago: those
// that are begun in time arrive a margin later.
func (m failsafe) relies(asked int8) int8 {
	if m.lets.askTime {
		asked = 0
	}
	if m.lets.margin {
		return m.word + m.margin - asked
	}
	if m.word-m.margin-asked <= 0 {
		return 0
	}
	return m.word - asked
}

// decideSteps: it decides. What is not about safety is chosen freely.
func (m failsafe) decideSteps(s serving, i int8, do changing) {
	b := s.s[i]
	v := b.view
	if b.decision.sent || b.deciding || b.given > 0 && !m.lets.promise || s.orders == m.orders {
		return
	}
	send := func(what string, to int8, wish bool, next site) {
		do(what, to, wish, func(s *serving, b *server) {
			s.orders++
			b.deciding, b.decision = true, decision{true, b.present, v.site, next}
		})
	}
	next := v.site
	next.verdict++
	if !v.lost {
		lost := next
		lost.lost = true
		send("says that nobody may act", nobody, v.electors.has(i), lost)
	}
	if !v.electors.has(i) && !m.lets.electors {
		return
	}
	for _, group := range []set{v.present, v.present &^ (1 << standby)} {
		if group == 0 {
			continue
		}
		next.electors, next.lost = group, false
		changes := group != v.electors || v.lost
		if changes {
			send(serves[group], nobody, false, next)
		}
		if v.owner != nobody && v.current && v.present.has(v.owner) {
			continue
		}
		for x := range int8(people) {
			if !group.has(x) {
				continue
			}
			given := next
			given.owner, given.current, given.written = x, true, v.written+1
			if !changes {
				given.verdict = v.verdict // it stands as it is
			}
			send(owns[group], x, false, given)
		}
	}
}

func (s set) String() string {
	return [...]string{"nobody", "A", "B", "AB", "C", "AC", "BC", "ABC"}[s]
}

// decisionSteps: what is on its way to storage arrives, or never does.
func (m failsafe) decisionSteps(s serving, i int8, do changing) {
	b := s.s[i]
	if d := b.decision; d.sent {
		if m.stores(s, d) {
			do("has its decision stored", nobody, false, func(s *serving, b *server) {
				s.site = d.next
				b.decision = decision{}
				b.unseen, b.deciding = b.up, false
			})
		}
		do("has its decision lost or refused", nobody, true, func(_ *serving, b *server) {
			b.decision, b.deciding = decision{}, false
		})
	}
}

// stores reports whether the compares of a decision's transaction hold.
func (m failsafe) stores(s serving, d decision) bool {
	if d.was.verdict != s.site.verdict && !m.lets.compare || d.was.written != s.site.written || !d.here && !m.lets.term {
		return false
	}
	if d.next.owner == d.was.owner && d.next.written == d.was.written {
		return true
	}
	old, new := d.was, d.next
	gone := old.owner == nobody || !old.current || !s.s[old.owner].present
	return gone && new.current && s.s[new.owner].present
}

// tidy forgets what can make no difference any more, and counts epochs and
// revisions anew: which are equal, and which later, stays.
func (m failsafe) tidy(s *serving) {
	for i := range s.s {
		b := &s.s[i]
		if d := b.decision; d.sent && (d.was.verdict != s.site.verdict && !m.lets.compare || d.was.written != s.site.written || !d.here && !m.lets.term) {
			b.decision, b.deciding = decision{}, false
		}
		if b.round.asked != none && (!b.up || m.relies(b.round.asked) <= b.kept) {
			b.round = round{asked: none}
		}
		if b.given == 0 {
			b.gained = false
		}
		if !b.up {
			b.view, b.acked, b.unseen = seen{}, false, false
		}
	}
	var verdicts, writes [16]bool
	s.counts(func(verdict, written *int8) { verdicts[*verdict], writes[*written] = true, true })
	rank := func(seen [16]bool, at int8) (n int8) {
		for _, there := range seen[:at] {
			if there {
				n++
			}
		}
		return n
	}
	s.counts(func(verdict, written *int8) {
		*verdict, *written = rank(verdicts, *verdict), rank(writes, *written)
	})
}

// counts goes through all epochs of verdicts, with the revisions of records.
func (s *serving) counts(each func(verdict, written *int8)) {
	each(&s.site.verdict, &s.site.written)
	for i := range s.s {
		b := &s.s[i]
		if b.up {
			each(&b.view.verdict, &b.view.written)
		}
		if b.round.asked != none {
			w := s.site.written
			each(&b.round.verdict, &w)
		}
		if b.decision.sent {
			each(&b.decision.was.verdict, &b.decision.was.written)
			each(&b.decision.next.verdict, &b.decision.next.written)
		}
	}
}

var serves, owns = func() (serves, owns [1 << people]string) {
	for group := range serves {
		serves[group] = "decides that these serve: " + set(group).String()
		owns[group] = serves[group] + ", and the owner is"
	}
	return serves, owns
}()
