package etcd_test

import (
	"errors"
	"testing"
	"time"

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

// While servers are started one after the other with a new key, any of them can be
// started again with the file it has, and opens what any other stores.
func TestServersWithNeighbouringFilesOfARotationWorkTogether(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	r := rotate(t)
	for _, files := range [][2]*store.Sealer{{r.old, r.added}, {r.added, r.promoted}, {r.promoted, r.retired}} {
		if files[1] == r.retired {
			m.sealer = r.promoted
			if _, err := m.open(t).Reseal(within(t, 5*time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		for i, sealer := range []*store.Sealer{files[0], files[1], files[0]} {
			m.sealer = sealer
			st := m.open(t)
			if err := st.CheckSecretKey(within(t, 5*time.Second)); err != nil {
				t.Fatalf("files %v, start %d: %v", files, i, err)
			}
			if i > 0 {
				if got, err := st.Secret(within(t, 5*time.Second), "hq", "vc-1"); err != nil || got != "of vc-1" {
					t.Errorf("files %v, start %d: %q, %v", files, i, got, err)
				}
			}
			putSecret(t, st, "vc-1", "of vc-1")
		}
	}
}

// A secret that is not sealed anew is noticed when the old key is gone, whether the
// proof was, as releases before this one did, or not.
func TestAKeyThatIsRetiredBeforeEverythingIsSealedAnewIsRefused(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	r := rotate(t)
	m.sealer = r.old
	putSecret(t, m.open(t), "vc-1", "of vc-1")
	m.sealer = r.promoted
	if err := m.open(t).CheckSecretKey(within(t, 5*time.Second)); err != nil {
		t.Fatalf("both keys: %v", err)
	}
	m.sealer = r.retired
	if err := m.open(t).CheckSecretKey(within(t, 5*time.Second)); !errors.Is(err, store.ErrSecretKey) {
		t.Errorf("the new key alone: %v", err)
	}
	if _, err := m.raw.Delete(t.Context(), m.prefix+"secret-key"); err != nil {
		t.Fatal(err)
	}
	m.sealer = r.promoted
	if err := m.open(t).CheckSecretKey(within(t, 5*time.Second)); err != nil {
		t.Fatalf("both keys, which make the proof: %v", err)
	}
	m.sealer = r.retired
	if err := m.open(t).CheckSecretKey(within(t, 5*time.Second)); !errors.Is(err, store.ErrSecretKey) {
		t.Errorf("the new key alone, which opens the proof: %v", err)
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

// rotation is what servers have one after the other.
type rotation struct{ old, added, promoted, retired *store.Sealer }

func rotate(t *testing.T) rotation {
	t.Helper()
	old, err := store.GenerateKeyset()
	if err != nil {
		t.Fatal(err)
	}
	added, _, err1 := store.AddKey(old)
	promoted, _, err2 := store.PromoteKey(added)
	retired, _, err3 := store.RetireKeys(promoted)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	sealer := func(keyset []byte) *store.Sealer {
		s, err := store.NewSealer(keyset)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return rotation{sealer(old), sealer(added), sealer(promoted), sealer(retired)}
}

// putSecret stores a Provider's secret, and its Site.
func putSecret(t *testing.T, st store.Store, id farm.ProviderID, secret string) {
	t.Helper()
	put(t, st, 1)
	if _, err := st.Edit(within(t, 5*time.Second), "hq", func(*farm.Picture) (store.Change, error) {
		return store.Change{PutProvider: &farm.Provider{ID: id}, Secret: &secret}, nil
	}); err != nil {
		t.Fatal(err)
	}
}
