package etcd_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

func TestWhereThereAreSecretsTheFirstKeyMustOpenOne(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	st := m.open(t)
	put(t, st, 1)
	for _, id := range []farm.ProviderID{"vc-1", "vc-2"} {
		secret := "of " + string(id)
		if _, err := st.Edit(within(t, 5*time.Second), "hq", func(*farm.Picture) (store.Change, error) {
			return store.Change{PutProvider: &farm.Provider{ID: id}, Secret: &secret}, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	wrong := *m
	wrong.sealer = newSealer(t)
	if err := wrong.open(t).CheckSecretKey(within(t, 5*time.Second)); !errors.Is(err, store.ErrSecretKey) {
		t.Errorf("a key that opens none: %v", err)
	}
	if _, err := m.raw.Put(t.Context(), m.prefix+"secrets/hq/vc-1", "{spoilt"); err != nil {
		t.Fatal(err)
	}
	if err := st.CheckSecretKey(within(t, 5*time.Second)); err != nil {
		t.Errorf("the Farm's, with one secret spoilt: %v", err)
	}
	wrong.sealer = nil
	if err := wrong.open(t).CheckSecretKey(within(t, 5*time.Second)); !errors.Is(err, store.ErrSecretKey) {
		t.Errorf("no key at all: %v", err)
	}
}

func TestARotatedKeyStaysTheFarmsWhenTheOldOneIsDropped(t *testing.T) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	m := newMemory(t, etcdtest.Start(t))
	ring := keyset.NewManagerFromHandle(handle)
	old := handle.KeysetInfo().GetPrimaryKeyId()
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"the first key", func() error { return nil }},
		{"a second one, which is primary", func() error {
			id, err := ring.Add(aead.AES256GCMKeyTemplate())
			return errors.Join(err, ring.SetPrimary(id))
		}},
		{"the first one dropped", func() error { return ring.Delete(old) }},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		m.sealer = sealerOf(t, ring)
		if err := m.open(t).CheckSecretKey(within(t, 5*time.Second)); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
	}
}

func sealerOf(t *testing.T, ring *keyset.Manager) *store.Sealer {
	t.Helper()
	handle, err := ring.Handle()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&text)); err != nil {
		t.Fatal(err)
	}
	sealer, err := store.NewSealer(text.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}
