package etcd

import (
	"errors"
	"testing"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

// What is sealed anew was read before: a newer secret, or none, stays.
func TestASecretThatHasChangedSinceIsNotSealedAnew(t *testing.T) {
	st := load(t, etcdtest.Start(t), frozenLines(t))
	set := func(text string) {
		if _, err := st.Edit(t.Context(), "hq", func(p *farm.Picture) (store.Change, error) {
			next := p.Providers["vc-1"].Value
			next.Description = "with " + text
			return store.Change{PutProvider: &next, Secret: &text}, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, newer := range []string{"newer", ""} {
		set("old")
		secrets, err := st.secretRecords(t.Context())
		if err != nil || len(secrets) != 1 {
			t.Fatalf("%d secrets, %v", len(secrets), err)
		}
		set(newer)
		stored, err := st.sealAnew(t.Context(), secrets[0])
		got, err2 := st.Secret(t.Context(), "hq", "vc-1")
		if err := errors.Join(err, err2); stored || err != nil || got != newer {
			t.Errorf("stored %v, it is %q, %v", stored, got, err)
		}
	}
}
