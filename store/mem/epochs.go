package mem

import (
	"context"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

func (s *Store) RaiseEpochs(ctx context.Context, by farm.Epoch) (int, error) {
	if err := store.CheckRaise(by); err != nil {
		return 0, err
	}
	for {
		if err := s.reach(ctx); err != nil {
			return 0, err
		}
		_, changed, _ := s.watch()
		if n, done, err := s.m.raiseEpochs(by); done || err != nil {
			return n, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// raiseEpochs does nothing while a broker is present.
func (m *memory) raiseEpochs(by farm.Epoch) (n int, done bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.lives) > 0 {
		return 0, false, nil
	}
	highest := m.view.EpochFloor
	for _, site := range m.view.Known() {
		for _, o := range m.view.Picture(site).Owners {
			highest = max(highest, o.Value.Epoch)
		}
	}
	floor, err := store.Raised(highest, by)
	if err != nil {
		return 0, false, err
	}
	m.write(func(d *store.Draft) {
		d.SetEpochFloor(floor)
		for _, site := range m.view.Known() {
			for id, o := range m.view.Picture(site).Owners {
				o.Value.Epoch += by
				d.Site(site).PutOwner(id, o.Value, d.Revision())
				n++
			}
		}
	})
	return n, true, nil
}
