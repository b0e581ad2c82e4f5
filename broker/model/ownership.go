package model

import (
	"fmt"
	"strings"
)

// Brokers that can own the Provider, and one more that can only coordinate.
const (
	owners  = 2
	brokers = owners + 1
)

// process is what a broker's process does.
type process int8

const (
	dead    process = iota
	joining         // it wants to register
	member          // it has registered; whether its life is over it need not know
	ending          // its life ends: its agent stops, then its presence goes
)

// agent is what acts for the Provider.
type agent int8

const (
	idle agent = iota
	acting
	stopping // it begins no call; one may be under way
)

// asks is what an ownership record asks of a broker, as it has last seen.
type asks int8

const (
	nothing asks = iota
	act
	handOver
	release
)

// wants is what a coordinator's write is to do.
type wants int8

const (
	noPlan wants = iota
	assign
	target
	cancel
	withdraw
)

// record is the ownership record. It names lives: of each named one it is known
// whether it is still present. One that is gone never comes back.
type record struct {
	owner, target, releasing             int8
	ownerLive, targetLive, releasingLive bool
}

// fresh says what has become of what a broker has read.
type fresh struct {
	stale  bool // the record was written since
	raised bool // with a higher epoch
}

// duty is what a broker has read of the record.
type duty struct {
	asks asks
	was  record
	fresh
}

// plan is a coordinator's write on its way to storage.
type plan struct {
	wants wants
	to    int8
	live  bool // the life of to that it names is present
	was   record
	fresh
	deposed bool // the term that it names is over
}

// broker is one of them, with its lease in storage.
type broker struct {
	process process
	paused  bool
	elected bool // it believes to be the coordinator

	present bool // its presence is in storage
	mine    bool // and is of this process's life
	lease   int8 // ticks until its lease may end
	permit  int8 // ticks until it stops acting
	reply   int8 // the acknowledgement on its way is of a renewal sent so many ticks ago

	agent agent
	calls int8 // ticks for which a call that was begun may still arrive
	duty  duty
	word  duty // what its agent's keeper has sent to storage
	plan  plan
}

// ownership is a state of the whole.
type ownership struct {
	b           [brokers]broker
	record      record
	coordinator int8
}

// protocol is ownership by leases: taking over, handing over, releasing, terms.
type protocol struct {
	without
	ttl, margin int8
	third       bool // there is the third broker
	bytesOfDead bool // what a process has sent before it died may arrive after
}

const none = -1 // no acknowledgement is on its way

func (m protocol) start() ownership {
	var s ownership
	s.record = record{owner: nobody, target: nobody, releasing: nobody}
	s.coordinator = nobody
	for i := range s.b {
		s.b[i].reply = none
		s.b[i].process = joining
	}
	if !m.third {
		s.b[owners].process = dead
	}
	return s
}

// begins reports whether a broker can begin a call now.
func (m protocol) begins(b broker) bool {
	return b.process == member && !b.paused && b.agent == acting && (b.permit > 0 || m.check)
}

func (m protocol) wrong(s ownership) string {
	n := 0
	for _, b := range s.b {
		if b.calls > 0 || m.begins(b) {
			n++
		}
	}
	if n > 1 {
		return "two act"
	}
	return ""
}

func (m protocol) served(s ownership) bool {
	o := s.record.owner
	return o != nobody && s.record.ownerLive && m.begins(s.b[o])
}

func (m protocol) tell(s ownership) string {
	var l strings.Builder
	for i, b := range s.b[:] {
		if i == owners && !m.third {
			continue
		}
		fmt.Fprintf(&l, "%s:%s", name(int8(i)), [...]string{"dead", "joins", "here", "ends"}[b.process])
		if b.paused {
			l.WriteString(",paused")
		}
		if b.present && !b.mine {
			l.WriteString(",old lease")
		}
		if b.process == member && !b.present {
			l.WriteString(",lost")
		}
		if i < owners {
			fmt.Fprintf(&l, " lease %d permit %d %s", b.lease, b.permit, [...]string{"idle", "ACTS", "stops"}[b.agent])
		}
		if b.calls > 0 {
			fmt.Fprintf(&l, ",call under way")
		}
		l.WriteString(" | ")
	}
	r := s.record
	life := func(b int8, live bool) string {
		if b != nobody && !live {
			return name(b) + "(gone)"
		}
		return name(b)
	}
	fmt.Fprintf(&l, "owner %s", life(r.owner, r.ownerLive))
	if r.target != nobody {
		l.WriteString(" to " + life(r.target, r.targetLive))
	}
	if r.releasing != nobody {
		l.WriteString(" releasing " + life(r.releasing, r.releasingLive))
	}
	return l.String() + ", term " + name(s.coordinator)
}
