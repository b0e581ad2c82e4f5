package etcd

import (
	"fmt"
	"log/slog"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// Servers' clocks may differ: what counts is the order in which etcd took them.
func TestEventsAreInTheOrderOfTheirRevisions(t *testing.T) {
	s := &Store{keys: keys{DefaultPrefix}, log: slog.New(slog.DiscardHandler)}
	a := s.assemble(nil, 9)
	for i, at := range []int64{7, 5, 6, 5} {
		a.put(&mvccpb.KeyValue{
			Key: []byte(s.keys.event("hq", fmt.Sprint(i))), Value: []byte(`{}`), CreateRevision: at, ModRevision: at,
		})
	}
	got := ""
	for _, e := range a.view().Picture("hq").Events {
		got += e.ID
	}
	if got != "1320" {
		t.Errorf("order %s", got)
	}
}

func FuzzAnyKeyAndValueCanBeTakenIn(f *testing.F) {
	for _, kind := range append(kindsOne(), kindsMany()...) {
		f.Add(kind+"/hq/x/y", `{"name":"x","failback":{"holdDown":"1s"}}`)
	}
	f.Add("tokens/abc", `{}`)
	f.Add("format", `{"version":1}`)
	s := &Store{keys: keys{DefaultPrefix}, log: slog.New(slog.DiscardHandler)}
	f.Fuzz(func(t *testing.T, key, value string) {
		kv := &mvccpb.KeyValue{Key: []byte(DefaultPrefix + key), Value: []byte(value), CreateRevision: 1, ModRevision: 2}
		a := s.assemble(nil, 2)
		a.put(kv)
		b := s.assemble(a.view(), 3)
		b.del(string(kv.Key))
		if v := b.view(); len(v.Sites)+len(v.Tokens) != 0 {
			t.Errorf("%q is left after it is deleted: %+v", key, v)
		}
	})
}
