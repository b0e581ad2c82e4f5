package etcd

// When Run ends with an error, the View is kept current no more: whoever waits for
// it, or would write by it, is told at once, so that a server ends promptly.

// giveUp ends every call with the error. Only Run calls it, once.
func (s *Store) giveUp(why error) {
	s.why = why
	close(s.views.over)
}

// errOver is why Run has ended; nil if it has not, or was told to.
func (s *Store) errOver() error {
	select {
	case <-s.views.over:
		return s.why
	default:
		return nil
	}
}
