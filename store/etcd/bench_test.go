package etcd_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

// benchStore is a store on an etcd that does not wait for the disk.
func benchStore(b *testing.B) *etcd.Store {
	b.Helper()
	srv := etcdtest.Start(b)
	client, err := etcd.Dial(etcd.DialConfig{Endpoints: srv.Direct()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Close() })
	st, err := etcd.New(etcd.Config{Client: client})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- st.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	site := farm.NewSite("hq")
	if _, err := st.Edit(b.Context(), "hq", func(*farm.Picture) (store.Change, error) {
		return store.Change{PutSite: &site}, nil
	}); err != nil {
		b.Fatal(err)
	}
	return st
}

func BenchmarkCurrent(b *testing.B) {
	st := benchStore(b)
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint("callers-", callers), func(b *testing.B) {
			b.SetParallelism(callers)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := st.Current(b.Context()); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkEdit(b *testing.B) {
	st := benchStore(b)
	for i := 0; b.Loop(); i++ {
		if _, err := st.Edit(b.Context(), "hq", func(*farm.Picture) (store.Change, error) {
			return store.Change{PutProvider: &farm.Provider{ID: "vc-1", Name: fmt.Sprint(i)}}, nil
		}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTakeover moves 1000 Providers in one Apply, until the View shows it.
func BenchmarkTakeover(b *testing.B) {
	st := benchStore(b)
	s, err := st.Register(b.Context(), "hq", farm.Presence{Broker: "cb-1"}, time.Hour)
	if err != nil {
		b.Fatal(err)
	}
	t, err := s.Campaign(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		p := st.Latest().Sites["hq"]
		var ds []farm.Decision
		for i := range 1000 {
			id := farm.ProviderID(fmt.Sprint("vc-", i))
			was := p.Owners[id]
			next := was.Value
			next.Broker, next.Incarnation, next.Epoch = "cb-1", s.Incarnation(), next.Epoch+1
			ds = append(ds, farm.Decision{Provider: id, Was: was, Next: next, Event: &farm.Event{
				Type: farm.EventOwnerChanged, Subject: farm.ProviderSubject(id), To: "cb-1", Message: "It was taken over.",
			}})
		}
		if err := t.Apply(b.Context(), p.Seats, nil, nil, ds); err != nil {
			b.Fatal(err)
		}
	}
}
