package etcd_test

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

func TestEverythingIsSealedAnewOnce(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	r := rotate(t)
	m.sealer = r.old
	st := m.open(t)
	for _, id := range []farm.ProviderID{"vc-1", "vc-2", "vc-3"} {
		putSecret(t, st, id, "of "+string(id))
	}
	m.sealer = r.promoted
	both := m.open(t)
	putSecret(t, both, "vc-2", "of vc-2")
	for _, want := range []etcd.Resealed{
		{Key: r.promoted.PrimaryID(), Secrets: 3, Anew: 2, Proof: true},
		{Key: r.promoted.PrimaryID(), Secrets: 3},
	} {
		if got, err := both.Reseal(within(t, 5*time.Second)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	m.sealer = r.retired
	alone := m.open(t)
	for _, id := range []farm.ProviderID{"vc-1", "vc-2", "vc-3"} {
		if got, err := alone.Secret(within(t, 5*time.Second), "hq", id); err != nil || got != "of "+string(id) {
			t.Errorf("%s: %q, %v", id, got, err)
		}
	}
	m.sealer = r.old
	if err := m.open(t).CheckSecretKey(within(t, 5*time.Second)); !errors.Is(err, store.ErrSecretKey) {
		t.Errorf("the old key alone: %v", err)
	}
}

func TestNothingIsSealedAnewIfSomethingDoesNotOpen(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	r := rotate(t)
	m.sealer = r.added
	putSecret(t, m.open(t), "vc-1", "of vc-1")
	m.sealer = r.promoted
	putSecret(t, m.open(t), "vc-2", "of vc-2")
	m.sealer = r.old
	if got, err := m.open(t).Reseal(within(t, 5*time.Second)); !errors.Is(err, store.ErrSecretKey) || got.Anew > 0 || !strings.Contains(err.Error(), "cannot open secrets/hq/vc-2") {
		t.Errorf("%+v, %v", got, err)
	}
	m.sealer = nil
	if _, err := m.open(t).Reseal(within(t, 5*time.Second)); !errors.Is(err, store.ErrSecretKey) {
		t.Errorf("no key: %v", err)
	}
}

// What others store while everything is sealed anew is theirs.
func TestAConcurrentWriteOutlivesSealingAnew(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	r := rotate(t)
	m.sealer = r.added
	late := m.open(t)
	putSecret(t, late, "vc-1", "0")
	m.sealer = r.promoted
	both := m.open(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 50 {
			putSecret(t, late, "vc-1", strings.Repeat("x", i+1))
		}
	})
	wg.Go(func() {
		for range 20 {
			if _, err := both.Reseal(within(t, 5*time.Second)); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	if _, err := both.Reseal(within(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
	m.sealer = r.retired
	if got, err := m.open(t).Secret(within(t, 5*time.Second), "hq", "vc-1"); err != nil || got != strings.Repeat("x", 50) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWhereNothingIsSealedThereIsNothingToSealAnew(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	if got, err := m.open(t).Reseal(within(t, 5*time.Second)); err != nil || got.Secrets+got.Anew > 0 || got.Proof {
		t.Errorf("%+v, %v", got, err)
	}
}

// A secret whose Provider was deleted by hand is nobody's.
func TestASecretThatWasLeftOverStopsNothing(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	r := rotate(t)
	m.sealer = r.added
	putSecret(t, m.open(t), "vc-1", "of vc-1")
	m.spoil(t, "secrets/hq/gone")
	m.sealer = r.promoted
	st := m.open(t)
	got, err := st.Reseal(within(t, 5*time.Second))
	if err != nil || got.Anew != 1 || !reflect.DeepEqual(got.Left, []string{m.prefix + "secrets/hq/gone"}) {
		t.Errorf("%+v, %v", got, err)
	}
	m.spoil(t, "secrets/hq/vc-1")
	tried, err := st.TrySecrets(within(t, 5*time.Second))
	if err != nil || len(tried) != 2 || tried[1].Opened || !tried[1].Damaged || tried[1].Provider != "vc-1" {
		t.Errorf("%+v, %v", tried, err)
	}
}
