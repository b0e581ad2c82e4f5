package etcd

import "github.com/quorate/quorate/store"

// Forgetful is the same session before it found out that it is lost.
func Forgetful(s store.Session) store.Session {
	was := s.(*session)
	return &session{
		s: was.s, site: was.site, broker: was.broker, key: was.key, lease: was.lease, ttl: was.ttl,
		incarnation: was.incarnation, turn: was.turn, lost: make(chan struct{}),
	}
}
