package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/mem"
)

// stage is a whole Site in virtual time on which a script is played: the broker
// code as it is, over one memory, and everything around it that can fail.
type stage struct {
	ctx       context.Context
	memory    *mem.Store
	net       *network
	plant     *plant
	processes map[farm.BrokerID]*process // that run
	ending    []*process                 // that do not, but may not have ended yet

	mu     sync.Mutex                  // guards processes too, and of each since when it has storage
	left   map[farm.BrokerID]time.Time // since when brokers do not run that did
	zero   time.Time                   // when the script begins
	lines  []line
	faults []string
	quiet  time.Time // when something was last done to the Site
}

// process is one server, from its start to its end.
type process struct {
	id    farm.BrokerID
	path  *wire
	stop  context.CancelFunc
	done  chan struct{}
	dead  atomic.Bool
	cut   time.Time // from storage since; zero: it is not
	whole time.Time // it has had storage, answering at once, since; zero: it has not
}

func newStage(ctx context.Context) *stage {
	s := &stage{ctx: ctx, memory: mem.New(), net: newNetwork(), plant: newPlant(), processes: map[farm.BrokerID]*process{}, left: map[farm.BrokerID]time.Time{}}
	s.plant.now = func() *farm.Picture { return s.memory.Latest().Sites[site] }
	s.plant.tell, s.plant.fault = s.tell, s.fault
	return s
}

// fault notes something that must never be.
func (s *stage) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if len(s.faults) < 20 {
		s.faults = append(s.faults, s.stamp()+" "+text)
	}
}

func (s *stage) stamp() string { return seconds(time.Since(s.zero)) }

// start starts a server. An empty mode is decided by the rule.
func (s *stage) start(id farm.BrokerID, mode farm.Mode) {
	ctx, cancel := context.WithCancel(s.ctx)
	p := &process{id: id, path: newWire(s.memory, id), stop: cancel, done: make(chan struct{}), whole: time.Now()}
	s.mu.Lock()
	s.processes[id] = p
	s.mu.Unlock()
	c := DefaultConfig()
	c.Site, c.Broker, c.Mode, c.Address = site, id, mode, "http://"+string(id)
	c.TTL, c.Margin = testTTL, farm.MinMargin(testTTL)
	c.Line = s.line(p)
	c.Store, c.Drivers = p.path, []provider.Driver{arm{s.plant, p}}
	go func() {
		defer close(p.done)
		if err := Run(ctx, c); err != nil {
			s.fault("broker %s ended: %v", id, err)
		}
	}()
}

// line is a process's way to the others; a dead one neither asks nor answers.
func (s *stage) line(p *process) *Line {
	n := s.net
	l := NewLine(func(ctx context.Context, address string, message []byte) ([]byte, error) {
		to := farm.BrokerID(strings.TrimPrefix(address, "http://"))
		n.mu.Lock()
		other, away := n.lines[to], n.cut[[2]farm.BrokerID{p.id, to}]
		n.mu.Unlock()
		moment := p.path.own/16 + time.Duration(number(string(to)))*7*time.Microsecond // another one for each, as for writes
		if away || p.dead.Load() {
			<-ctx.Done()
			time.Sleep(moment)
			return nil, ctx.Err()
		}
		if err := pause(ctx, moment); err != nil {
			return nil, err
		}
		if other == nil {
			return nil, errors.New("connection refused")
		}
		return other.Answer(message)
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines[p.id] = l
	return l
}

// kill is kill -9, or a machine without power: from this moment on nothing of the
// process reaches anybody. Its goroutines are then led to their end unseen.
func (s *stage) kill(id farm.BrokerID) {
	s.processes[id].path.Down(true)
	s.plant.died(s.processes[id])
	s.gone(id).stop()
}

// end is SIGTERM.
func (s *stage) end(id farm.BrokerID) { s.gone(id).stop() }

func (s *stage) gone(id farm.BrokerID) *process {
	p := s.processes[id]
	s.mu.Lock()
	delete(s.processes, id)
	s.left[id] = time.Now()
	s.mu.Unlock()
	s.ending = append(s.ending, p)
	s.net.mu.Lock()
	defer s.net.mu.Unlock()
	if p.dead.Load() {
		delete(s.net.lines, id)
	}
	return p
}

// ended waits for all servers that have been stopped.
func (s *stage) ended() {
	for _, p := range s.ending {
		<-p.done
	}
	s.ending = nil
}

// cut takes storage away from a broker, or gives it back.
func (s *stage) cut(id farm.BrokerID, away bool) {
	p := s.processes[id]
	p.path.Down(away)
	s.mu.Lock()
	defer s.mu.Unlock()
	p.cut, p.whole = time.Time{}, time.Now()
	if away {
		p.cut, p.whole = time.Now(), time.Time{}
	}
}

// running are the brokers that run, in order.
func (s *stage) running() ids { return slices.Sorted(maps.Keys(s.processes)) }

func (s *stage) picture() *farm.Picture {
	if p := s.memory.Latest().Sites[site]; p != nil {
		return p
	}
	return &farm.Picture{}
}

// edit is what the operator does. The rules may refuse it.
func (s *stage) edit(change func(*farm.Picture) (store.Change, error)) error {
	_, err := s.memory.Edit(s.ctx, site, change)
	return err
}

// await waits until the Site is as wanted, at most for d.
func (s *stage) await(d time.Duration, is func(*farm.Picture) bool) bool {
	ctx, cancel := context.WithTimeout(s.ctx, d)
	defer cancel()
	for view := s.memory.Latest(); ; {
		if p := view.Sites[site]; p != nil && is(p) {
			return true
		}
		next, err := s.memory.Wait(ctx, view.Revision)
		if err != nil {
			return false
		}
		view = next
	}
}
