package etcd

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quorate/quorate/store"
)

// It is told as long as it is so, and no longer.
func TestAValueThatCannotBeReadIsNamed(t *testing.T) {
	s := &Store{keys: keys{DefaultPrefix}, log: slog.New(slog.DiscardHandler)}
	key, at := s.keys.provider("hq", "vc-1"), int64(0)
	var v *store.View
	step := func(want bool, do func(*assembly)) {
		t.Helper()
		at++
		a := s.assemble(v, at)
		do(a)
		v = a.view()
		if is := errors.Is(v.Whole(), store.ErrUnreadable); is != want || strings.Contains(v.UnreadableProblem(), key) != want {
			t.Errorf("step %d: %v", at, v.Whole())
		}
	}
	put := func(value string) func(*assembly) {
		return func(a *assembly) { a.put(&mvccpb.KeyValue{Key: []byte(key), Value: []byte(value), ModRevision: at}) }
	}
	step(true, put(`{"type":"vsph`))
	step(true, func(*assembly) {})
	step(false, put(`{"type":"vsphere"}`))
	step(true, put(`{`))
	step(false, func(a *assembly) { a.del(key) })
}

func TestAFloorThatIsSpoiltStaysAsItWas(t *testing.T) {
	s := &Store{keys: keys{DefaultPrefix}, log: slog.New(slog.DiscardHandler)}
	a := s.assemble(nil, 1)
	a.put(&mvccpb.KeyValue{Key: []byte(s.keys.epochs()), Value: []byte(`{"floor":7}`)})
	b := s.assemble(a.view(), 2)
	b.put(&mvccpb.KeyValue{Key: []byte(s.keys.epochs()), Value: []byte(`{"fl`)})
	if v := b.view(); v.EpochFloor != 7 || v.Whole() == nil {
		t.Errorf("floor %d, %v", v.EpochFloor, v.Whole())
	}
}
