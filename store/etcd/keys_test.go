package etcd

import (
	"errors"
	"fmt"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/quorate/quorate/store"
)

func TestAKeyWithoutProperNamesIsNoneOfOurs(t *testing.T) {
	k := keys{DefaultPrefix}
	for _, kind := range []string{kindBroker, kindProvider, kindSecret, kindPresence, kindOwner, kindReport} {
		if _, ok := k.parse(k.prefix + kind + "/hq/x-1"); !ok {
			t.Errorf("%s/hq/x-1 is refused", kind)
		}
		for _, name := range []string{"hq/a/b", "hq/UPPER", "hq/", "hq", "HQ/x", "/x", "hq//x", ""} {
			if p, ok := k.parse(k.prefix + kind + "/" + name); ok {
				t.Errorf("%s/%s is %+v", kind, name, p)
			}
		}
	}
	for _, kind := range kindsOne() {
		for name, want := range map[string]bool{"hq": true, "hq/x": false, "UPPER": false, "": false} {
			if _, ok := k.parse(k.prefix + kind + "/" + name); ok != want {
				t.Errorf("%s/%s: %v", kind, name, ok)
			}
		}
	}
	for name, want := range map[string]bool{"hq/vc-1/host-1%2F": true, "hq/UPPER/h": false, "HQ/vc-1/h": false} {
		if _, ok := k.parse(k.prefix + kindHost + "/" + name); ok != want {
			t.Errorf("hosts/%s: %v", name, ok)
		}
	}
}

func TestAFormatThatNeverWasIsDamage(t *testing.T) {
	s := &Store{keys: keys{DefaultPrefix}}
	for _, version := range []int{-1, 0, 1, 2} {
		kv := &mvccpb.KeyValue{Key: []byte(s.keys.format()), Value: fmt.Appendf(nil, `{"version":%d}`, version)}
		if err := s.checkFormat(kv); (err == nil) != (version == 1) || err != nil && !errors.Is(err, store.ErrFormat) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}
