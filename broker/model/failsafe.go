package model

import "fmt"

// Failsafe has its own model, in which a broker acts by its lease exactly while its
// presence is in storage: the other model shows that this is so.

const (
	people  = 3 // two with seats, A and B, and the standby C
	standby = 2
)

type set uint8

func (s set) has(i int8) bool { return s>>i&1 == 1 }
func (s set) with(i int8) set { return s | 1<<i }

// site is what is stored of the Site: the verdict and the Provider's record.
type site struct {
	verdict  int8 // its epoch
	electors set  // who served last, and the seats' occupants
	lost     bool // nobody may act
	written  int8 // the record's revision
	owner    int8
	current  bool // the owner's process still is in the life that the record names
}

// seen is a broker's View.
type seen struct {
	site
	present set // whose present life it shows, of those whose process still is in that life
}

// round is one question to all who may decide.
type round struct {
	asked   int8 // so many ticks ago; none: there is no question
	verdict int8 // the asker's
	of, got set
}

// decision is a write on its way to storage.
type decision struct {
	sent bool
	here bool // its sender's life is present, and with it the term
	was  site
	next site
}

// server is a broker and what it has promised.
type server struct {
	up       bool
	present  bool // its life is in storage
	acked    bool // its last renewal was acknowledged
	view     seen
	kept     int8 // ticks until no call can arrive that others have allowed by their word
	round    round
	given    int8 // ticks for which it has promised not to decide
	gained   bool // it was given the Provider since
	deciding bool
	unseen   bool // its View does not show yet what it has had stored
	decision decision
}

// serving is a state of the whole.
type serving struct {
	s      [people]server
	site   site
	faults int8 // there have been so many
	orders int8 // so many decisions were sent
}

// lets is which of failsafe's guards the model leaves out.
type lets struct {
	promise   bool // who has promised decides only when that is over
	began     bool // who starts waits for what the process before may have promised
	electors  bool // only one of those who served last decides
	verdict   bool // a promise is given only to who knows the same verdict
	compare   bool // the transaction compares the verdict
	everybody bool // all who may decide must promise
	gained    bool // who has promised does not act for what it was given since
	deciding  bool // who decides promises nothing meanwhile
	shown     bool // nor until its View shows what it has decided
	acked     bool // who has storage promises nothing
	life      bool // a promise is that of the life that was asked
	askTime   bool // a promise counts from when it was asked for
	itself    bool // who asks promises itself too
	term      bool // the transaction compares the term, which ends with its life
	margin    bool // who relies on it stops a margin before it ends
}

// failsafe is the protocol by which owners go on while nobody has storage.
type failsafe struct {
	lets           lets
	word, margin   int8
	faults, orders int8 // there are at most so many
	electors       set  // at first
}

func (m failsafe) start() serving {
	var s serving
	s.site = site{electors: m.electors, owner: 0, current: true}
	all := set(1<<people - 1)
	for i := range s.s {
		s.s[i] = server{up: true, present: true, acked: true, view: seen{s.site, all}, round: round{asked: none}}
	}
	return s
}

// may reports whether a broker can have a call arrive at the Provider.
func (m failsafe) may(s serving, i int8) bool {
	b := s.s[i]
	v := b.view
	if !b.up || v.owner != i || !v.current || v.lost {
		return false
	}
	if b.gained && b.given > 0 && !m.lets.gained {
		return false
	}
	return b.present || b.kept > 0
}

func (m failsafe) wrong(s serving) string {
	n := 0
	for i := range int8(people) {
		if m.may(s, i) {
			n++
		}
	}
	if n > 1 {
		return "two act"
	}
	return ""
}

func (m failsafe) served(s serving) bool {
	if s.orders == m.orders {
		return true // it is not looked at how that goes on
	}
	o := s.site.owner
	return o != nobody && s.site.current && s.s[o].present && m.may(s, o)
}

func (m failsafe) tell(s serving) string {
	line := ""
	for i, b := range s.s {
		state := "up"
		switch {
		case !b.up:
			state = "dead"
		case !b.acked:
			state = "no storage"
		}
		if !b.present {
			state += ",lease gone"
		}
		if m.may(s, int8(i)) {
			state += ",ACTS"
		}
		if b.kept > 0 {
			state += fmt.Sprintf(",kept %d", b.kept)
		}
		if b.given > 0 {
			state += fmt.Sprintf(",promised %d", b.given)
		}
		line += fmt.Sprintf("%s:%s,sees v%d %s | ", name(int8(i)), state, b.view.verdict, name(b.view.owner))
	}
	return line + fmt.Sprintf("stored v%d %s", s.site.verdict, name(s.site.owner))
}
