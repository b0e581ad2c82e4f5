package mem

import (
	"context"
	"errors"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

func (s *Store) RaiseEpochs(ctx context.Context, by farm.Epoch) (int, error) {
	if by == 0 {
		return 0, errors.New("raise epochs: by nothing")
	}
	for {
		if err := s.reach(ctx); err != nil {
			return 0, err
		}
		_, changed, _ := s.watch()
		if n, done := s.m.raiseEpochs(by); done {
			return n, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// raiseEpochs does nothing while a broker is present.
func (m *memory) raiseEpochs(by farm.Epoch) (n int, done bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.lives) > 0 {
		return 0, false
	}
	m.write(func(d *store.Draft) {
		for _, site := range m.view.Known() {
			for id, o := range m.view.Picture(site).Owners {
				o.Value.Epoch += by
				d.Site(site).PutOwner(id, o.Value, d.Revision())
				n++
			}
		}
	})
	return n, true
}
