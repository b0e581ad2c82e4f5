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

// While servers are started one after the other with a new key, those that were
// not yet can be started again, with what they have.
func TestAKeyThatEveryServerHasBecomesPrimaryWithoutLockingAnyOut(t *testing.T) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	m := newMemory(t, etcdtest.Start(t))
	ring := keyset.NewManagerFromHandle(handle)
	alone := sealerOf(t, ring)
	id, err := ring.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	added := sealerOf(t, ring)
	if err := ring.SetPrimary(id); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name   string
		sealer *store.Sealer
	}{{"before", alone}, {"added", added}, {"before, again", alone}, {"primary", sealerOf(t, ring)}, {"added, again", added}} {
		m.sealer = step.sealer
		if err := m.open(t).CheckSecretKey(within(t, 5*time.Second)); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
	}
}

// The proof is renewed with the new key, the secrets are not.
func TestAKeyThatOpensTheProofAndNoSecretIsRefused(t *testing.T) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	m := newMemory(t, etcdtest.Start(t))
	ring := keyset.NewManagerFromHandle(handle)
	m.sealer = sealerOf(t, ring)
	first := m.open(t)
	put(t, first, 1)
	secret := "of vc-1"
	if _, err := first.Edit(within(t, 5*time.Second), "hq", func(*farm.Picture) (store.Change, error) {
		return store.Change{PutProvider: &farm.Provider{ID: "vc-1"}, Secret: &secret}, nil
	}); err != nil {
		t.Fatal(err)
	}
	old := handle.KeysetInfo().GetPrimaryKeyId()
	id, err := ring.Add(aead.AES256GCMKeyTemplate())
	if err := errors.Join(err, ring.SetPrimary(id)); err != nil {
		t.Fatal(err)
	}
	m.sealer = sealerOf(t, ring)
	if err := m.open(t).CheckSecretKey(within(t, 5*time.Second)); err != nil {
		t.Fatalf("both keys: %v", err)
	}
	if err := ring.Delete(old); err != nil {
		t.Fatal(err)
	}
	m.sealer = sealerOf(t, ring)
	if err := m.open(t).CheckSecretKey(within(t, 5*time.Second)); !errors.Is(err, store.ErrSecretKey) {
		t.Errorf("the new key alone: %v", err)
	}
}

func TestNothingIsSealedBeforeTheKeyIsKnownToBeTheFarms(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	first := m.open(t)
	if h := first.Health(within(t, 5*time.Second)); h.Ready || h.Problem == "" {
		t.Errorf("before its key was checked: %+v", h)
	}
	put(t, first, 1)
	if err := first.CheckSecretKey(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	if h := first.Health(within(t, 5*time.Second)); !h.Ready || h.Problem != "" {
		t.Errorf("once its key was checked: %+v", h)
	}
	m.sealer = newSealer(t)
	other := m.open(t)
	secret := "s"
	if _, err := other.Edit(within(t, 5*time.Second), "hq", func(*farm.Picture) (store.Change, error) {
		return store.Change{PutProvider: &farm.Provider{ID: "vc-1"}, Secret: &secret}, nil
	}); !errors.Is(err, store.ErrSecretKey) {
		t.Errorf("stored with another key, which nobody had checked: %v", err)
	}
	if h := other.Health(within(t, 5*time.Second)); h.Ready {
		t.Errorf("with another key: %+v", h)
	}
	m.sealer = nil
	without := m.open(t)
	if err := without.CheckSecretKey(within(t, 5*time.Second)); !errors.Is(err, store.ErrSecretKey) {
		t.Errorf("without a key: %v", err)
	}
	fresh := newMemory(t, m.srv)
	fresh.sealer = nil
	if err := fresh.open(t).CheckSecretKey(within(t, 5*time.Second)); err != nil {
		t.Errorf("without a key, where nobody has one: %v", err)
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
