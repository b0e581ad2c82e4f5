package vspheresim

import (
	"fmt"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// sessions gives the simulator's sessions what those of a vCenter have: each
// its own updates, and an end to its waits when the session ends.
// The simulator itself files every session's root property collector under one
// reference, so that a second session silences the first.
type sessions struct {
	service   *simulator.Service
	collector types.ManagedObjectReference
	mu        sync.Mutex
	closed    bool
	waiters   map[string]*simulator.Session // those that may wait, by key
}

func newSessions(service *simulator.Service) *sessions {
	s := &sessions{
		service:   service,
		collector: root(service).Content.PropertyCollector,
		waiters:   make(map[string]*simulator.Session),
	}
	service.Context.Map.Handler = s.before
	return s
}

// before runs before every call.
func (s *sessions) before(ctx *simulator.Context, m *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if ctx.Session == nil {
		return nil, nil
	}
	switch {
	case m.Name == "Logout":
		s.end(ctx.Session.Key)
	case m.This == s.collector:
		if !s.own(ctx.Session) {
			return nil, &types.RequestCanceled{}
		}
	}
	return nil, nil
}

// own makes sure that the session's root collector has a reference to itself
// alone. It reports false when no call may wait any more.
func (s *sessions) own(session *simulator.Session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if _, ok := s.waiters[session.Key]; ok {
		return true
	}
	pc := session.Get(s.collector).(*simulator.PropertyCollector)
	pc.Self.Value = fmt.Sprintf("session[%s]%s", session.Key, s.collector.Value)
	s.waiters[session.Key] = session
	return true
}

// end stops all that a session has running.
func (s *sessions) end(key string) {
	s.mu.Lock()
	session, ok := s.waiters[key]
	delete(s.waiters, key)
	s.mu.Unlock()
	if !ok {
		return
	}
	for _, obj := range session.AllReference("") {
		if h, ok := obj.(simulator.RegisterObject); ok {
			s.service.Context.Map.RemoveHandler(h)
		}
	}
	cancel(session)
}

// cancel ends a session's waits for updates.
func cancel(session *simulator.Session) {
	for _, obj := range session.AllReference("") {
		if pc, ok := obj.(*simulator.PropertyCollector); ok {
			pc.CancelWaitForUpdates(&types.CancelWaitForUpdates{})
		}
	}
}

func (s *sessions) keys() []string {
	content := root(s.service).Content
	manager := s.service.Context.Session.Get(*content.SessionManager).(*simulator.SessionManager)
	var keys []string
	for _, session := range manager.SessionList {
		keys = append(keys, session.Key)
	}
	return keys
}

func (s *sessions) terminate() error {
	for _, key := range s.keys() {
		manager := s.service.Context.Map.SessionManager()
		res := manager.TerminateSession(s.service.Context, &types.TerminateSession{SessionId: []string{key}})
		if f := res.Fault(); f != nil {
			if _, gone := f.VimFault().(*types.NotFound); !gone {
				return fmt.Errorf("terminate a session: %w", soap.WrapSoapFault(f))
			}
		}
		s.end(key)
	}
	return nil
}

// close lets no call wait any more.
func (s *sessions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// cancel ends the waits of all sessions.
func (s *sessions) cancel() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range s.waiters {
		cancel(session)
	}
}
