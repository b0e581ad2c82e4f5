package storetest

import (
	"errors"
	"sync"

	"github.com/quorate/quorate/store"
)

var secretKeyTests = []test{
	{"the first secret key is the Farm's, also while there is no secret", firstKey},
	{"of many keys at once one becomes the Farm's", keysAtOnce},
}

func firstKey(b *bench) {
	first, same, other := b.open(), b.open(), b.OpenWithKey(b.T, "other")
	for range 2 {
		for _, st := range []store.Store{first, same} {
			b.must(st.CheckSecretKey(b.ctx()))
		}
		if err := other.CheckSecretKey(b.ctx()); !errors.Is(err, store.ErrSecretKey) {
			b.Errorf("another key: %v", err)
		}
	}
	if v, err := first.Current(b.ctx()); err != nil || len(v.Sites)+len(v.Tokens) != 0 {
		b.Errorf("it is seen in the view: %+v, %v", v, err)
	}
}

func keysAtOnce(b *bench) {
	stores := []store.Store{b.open(), b.OpenWithKey(b.T, "b"), b.OpenWithKey(b.T, "c"), b.OpenWithKey(b.T, "d")}
	errs := make([]error, len(stores))
	var wg sync.WaitGroup
	for i, st := range stores {
		wg.Go(func() { errs[i] = st.CheckSecretKey(b.ctx()) })
	}
	wg.Wait()
	taken := 0
	for _, err := range errs {
		if err == nil {
			taken++
		} else if !errors.Is(err, store.ErrSecretKey) {
			b.Error(err)
		}
	}
	if taken != 1 {
		b.Errorf("%d keys were taken", taken)
	}
}
