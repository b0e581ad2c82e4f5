package etcd_test

import (
	"errors"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

// etcd does what it is asked to, but its first answer never comes: the change is
// stored once, and whoever asked for it hears so.
func TestAWriteWhoseAnswerIsLostIsStoredOnce(t *testing.T) {
	t.Parallel()
	m := newMemory(t, etcdtest.Start(t))
	st := m.open(t)
	put(t, st, 1)
	exists := errors.New("it is there already")
	create := func(p *farm.Picture) (store.Change, error) {
		if p.Providers["vc-1"].Revision != 0 {
			return store.Change{}, exists
		}
		return store.Change{
			PutProvider: &farm.Provider{ID: "vc-1", Type: "pool"},
			Events:      []farm.Event{{Message: "vc-1 was added"}},
		}, nil
	}
	direct, err := etcd.Dial(etcd.DialConfig{Endpoints: m.srv.Direct()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = direct.Close() }()
	watch := direct.Watch(within(t, 10*time.Second), m.prefix+"providers/", clientv3.WithPrefix())
	v, err := st.Current(within(t, 5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	created := make(chan error, 1)
	decided := make(chan struct{})
	go func() {
		first := true
		_, err := st.Edit(within(t, 5*time.Second), "hq", func(p *farm.Picture) (store.Change, error) {
			if first {
				m.srv.Mute(true) // the picture has been read
				close(decided)
			}
			first = false
			return create(p)
		})
		created <- err
	}()
	<-decided
	// Somebody whose answers come hears that it is stored; not so the one who did it.
	if w := <-watch; w.Err() != nil || len(w.Events) != 1 {
		t.Fatalf("watch: %+v", w)
	}
	m.srv.Cut() // the answer is lost for good
	m.srv.Mute(false)
	m.srv.Uncut()
	if err := <-created; err != nil {
		t.Errorf("edit: %v", err)
	}
	after, err := st.Current(within(t, 5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(after.Sites["hq"].Events) - len(v.Sites["hq"].Events); n != 1 {
		t.Errorf("%d events were stored", n)
	}
}
