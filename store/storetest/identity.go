package storetest

import (
	"context"
	"errors"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

var identityTests = []test{
	{"a server does nothing in a storage that is not its Farm's", otherStorage},
	{"a server that starts over an empty storage begins a new Farm", newFarm},
	{"when the Farm is back its servers go on", farmBack},
}

// finds awaits that a call finds another storage. That it is away may be seen first.
func (b *bench) finds(name string, want error, call func(context.Context) error) {
	b.Helper()
	for deadline := time.Now().Add(patience); ; {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := call(ctx)
		cancel()
		if errors.Is(err, store.ErrUnavailable) && time.Now().Before(deadline) {
			continue
		}
		if !errors.Is(err, want) {
			b.Errorf("%s: %v, want %q", name, err, want)
		}
		return
	}
}

func otherStorage(b *bench) {
	st := b.open()
	b.site(st, hq, "cb-1")
	b.provider(st, "vc-1")
	_, err := st.CreateRootToken(b.ctx(), "h", store.Token{})
	b.must(err)
	s := b.register(st, hq, "cb-1")
	before := b.current(st, hq)
	defer b.Replace(b.T)()

	b.finds("current", store.ErrOtherFarm, func(ctx context.Context) error { _, err := st.Current(ctx); return err })
	b.finds("a Site made anew", store.ErrOtherFarm, func(ctx context.Context) error {
		_, err := st.Edit(ctx, "hq-2", func(*farm.Picture) (store.Change, error) {
			site := farm.NewSite("hq-2")
			return store.Change{PutSite: &site}, nil
		})
		return err
	})
	b.finds("a token", store.ErrOtherFarm, func(ctx context.Context) error { _, err := st.CreateRootToken(ctx, "h2", store.Token{}); return err })
	b.finds("a secret", store.ErrOtherFarm, func(ctx context.Context) error { _, err := st.Secret(ctx, hq, "vc-1"); return err })
	b.finds("another broker", store.ErrOtherFarm, func(ctx context.Context) error {
		_, err := st.Register(ctx, hq, farm.Presence{Broker: "cb-2"}, shortest)
		return err
	})
	b.finds("renewal", store.ErrLost, s.Renew)
	b.finds("announcement", store.ErrLost, func(ctx context.Context) error { return s.Announce(ctx, farm.Presence{}) })
	if v := st.Latest(); v.Sites[hq] == nil || v.Sites[hq].Revision < before.Revision || len(v.Tokens) != 1 {
		b.Errorf("what was known is forgotten: %+v", v)
	}
	if h := st.Health(b.ctx()); h.Answers || h.Current || h.Problem == "" {
		b.Errorf("health: %+v", h)
	}
	for _, site := range []farm.SiteID{hq, "hq-2"} {
		if left := b.Left(b.T, site); len(left) != 0 {
			b.Errorf("it has written: %q", left)
		}
	}
}

func newFarm(b *bench) {
	old := b.open()
	b.site(old, hq, "cb-1")
	defer b.Replace(b.T)()

	st := b.open()
	v, err := st.Current(b.ctx())
	b.must(err)
	if len(v.Sites)+len(v.Tokens) != 0 {
		b.Errorf("it is not empty: %+v", v)
	}
	if created, err := st.CreateRootToken(b.ctx(), "h", store.Token{}); !created || err != nil {
		b.Errorf("its token: %v, %v", created, err)
	}
	b.site(st, hq, "cb-1")
	b.finds("the old Farm's server", store.ErrOtherFarm, func(ctx context.Context) error { _, err := old.Current(ctx); return err })
}

func farmBack(b *bench) {
	st := b.open()
	b.must(st.CheckSecretKey(b.ctx()))
	b.site(st, hq, "cb-1")
	s := b.register(st, hq, "cb-1")
	back := b.Replace(b.T)
	b.finds("renewal", store.ErrLost, s.Renew)
	back()

	b.finds("current", nil, func(ctx context.Context) error {
		_, err := st.Current(ctx)
		if errors.Is(err, store.ErrOtherFarm) {
			return store.ErrUnavailable // it may notice a little later
		}
		return err
	})
	b.provider(st, "vc-1")
	next := b.register(st, hq, "cb-1")
	if next.Incarnation() == s.Incarnation() {
		b.Error("the old life goes on")
	}
	b.elect(next)
	if h := st.Health(b.ctx()); !h.Answers || h.Problem != "" {
		b.Errorf("health: %+v", h)
	}
}
