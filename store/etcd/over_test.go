package etcd

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

func TestANewerFormatEndsEveryCallAtOnce(t *testing.T) {
	e := etcdtest.Start(t)
	client, err := Dial(DialConfig{Endpoints: e.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	s, err := New(Config{Client: client})
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() { ran <- s.Run(t.Context()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := s.Current(ctx); err != nil {
		t.Fatal(err)
	}
	session, err := s.Register(ctx, "hq", farm.Presence{Broker: "cb-1"}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := s.Wait(ctx, 1<<40)
		waiting <- err
	}()
	if _, err := client.Put(ctx, s.keys.format(), `{"version":99}`); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := <-ran; !errors.Is(err, store.ErrFormat) {
		t.Fatalf("Run: %v", err)
	}
	for what, call := range map[string]func() error{
		"a Wait from before": func() error { return <-waiting },
		"Wait":               func() error { _, err := s.Wait(ctx, 0); return err },
		"Current":            func() error { _, err := s.Current(ctx); return err },
		"Register": func() error {
			_, err := s.Register(ctx, "hq", farm.Presence{Broker: "cb-1"}, time.Second)
			return err
		},
		"Edit": func() error {
			_, err := s.Edit(ctx, "hq", func(*farm.Picture) (store.Change, error) { return store.Change{}, nil })
			return err
		},
		"Announce": func() error { return session.Announce(ctx, farm.Presence{Broker: "cb-1"}) },
		"Campaign": func() error { _, err := session.Campaign(ctx); return err },
	} {
		if err := call(); !errors.Is(err, store.ErrFormat) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if h := s.Health(ctx); h.Ready || !strings.Contains(h.Problem, "This server ends: stored format is not supported: it is version 99") {
		t.Errorf("health: %+v", h)
	}
	if err := session.Close(ctx); err != nil {
		t.Errorf("the presence stays: %v", err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}
