package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

var outageTests = []test{
	{"while storage is away calls say so in time, and afterwards all goes on", outage},
}

func outage(b *bench) {
	st, s, term, was := owned(b)
	last := b.current(st, hq)
	back := b.CutOff(b.T)
	restored := false
	defer func() {
		if !restored {
			back()
		}
	}()

	plan := func(*farm.Picture) (store.Change, error) { return store.Change{DeleteBroker: "cb-1"}, nil }
	calls := map[string]func(context.Context) error{
		"current": func(ctx context.Context) error { _, err := st.Current(ctx); return err },
		"edit":    func(ctx context.Context) error { _, err := st.Edit(ctx, hq, plan); return err },
		"secret":  func(ctx context.Context) error { _, err := st.Secret(ctx, hq, "vc-1"); return err },
		"token":   func(ctx context.Context) error { _, err := st.CreateRootToken(ctx, "h", store.Token{}); return err },
		"at":      func(ctx context.Context) error { _, err := st.At(ctx, hq, last.Revision+1000); return err },
		"register": func(ctx context.Context) error {
			_, err := st.Register(ctx, hq, farm.Presence{Broker: "cb-9"}, shortest)
			return err
		},
		"renew":    s.Renew,
		"announce": func(ctx context.Context) error { return s.Announce(ctx, farm.Presence{}) },
		"report": func(ctx context.Context) error {
			return s.Report(ctx, "vc-1", was, store.Update{Report: &farm.Report{}})
		},
		"apply": func(ctx context.Context) error { return term.Apply(ctx, last.Seats, &farm.Seats{}, nil, nil) },
		"trim":  func(ctx context.Context) error { return term.Trim(ctx, 0) },
	}
	for name, call := range calls {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		start := time.Now()
		if err := call(ctx); !errors.Is(err, store.ErrUnavailable) {
			b.Errorf("%s: %v, want unavailable", name, err)
		}
		if took := time.Since(start); took > 2500*time.Millisecond {
			b.Errorf("%s took %v to say so", name, took)
		}
		cancel()

		ctx, cancel = context.WithCancel(context.Background())
		cancel()
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			b.Errorf("%s, given up: %v, want canceled", name, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	v := st.Latest()
	if v.Sites[hq] == nil || v.Sites[hq].Owners["vc-1"] != was {
		b.Errorf("the last view is forgotten: %+v", v.Sites[hq])
	}
	for {
		var err error
		if v, err = st.Wait(ctx, v.Revision); err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				b.Errorf("wait: %v", err)
			}
			break
		}
	}
	if h := st.Health(ctx); h.Answers || h.Current || h.Problem == "" {
		b.Errorf("health: %+v", h)
	}

	back()
	restored = true
	p := b.provider(st, "vc-2")
	if p.Providers["vc-2"].Revision == 0 || p.Brokers["cb-1"].Revision == 0 {
		b.Errorf("afterwards: %+v", p)
	}
	next := b.register(st, hq, "cb-2")
	b.until(st, hq, "the new presence", func(p *farm.Picture) bool { return p.Alive(life("cb-2", next)) })
}
