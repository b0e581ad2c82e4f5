package store_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/quorate/quorate/store"
)

func TestAKeyIsAddedPromotedAndTheOldOneRetiredInThatOrder(t *testing.T) {
	k := newKeyset(t)
	add := func(k []byte) ([]byte, error) { k, _, err := store.AddKey(k); return k, err }
	promote := func(k []byte) ([]byte, error) { k, _, err := store.PromoteKey(k); return k, err }
	retire := func(k []byte) ([]byte, error) { k, _, err := store.RetireKeys(k); return k, err }
	for i, step := range []struct {
		do   func([]byte) ([]byte, error)
		want error
	}{
		{promote, store.ErrNoKeyWaits}, {retire, store.ErrNoKeyIsLeft},
		{add, nil}, {add, store.ErrKeyWaits}, {retire, store.ErrKeyWaits},
		{promote, nil}, {promote, store.ErrNoKeyWaits},
		{add, nil}, {retire, store.ErrKeyWaits}, {promote, nil}, // a second time, the first one's old key still being there
		{retire, nil}, {retire, store.ErrNoKeyIsLeft}, {promote, store.ErrNoKeyWaits},
	} {
		before := newSealer(t, k)
		next, err := step.do(k)
		if !errors.Is(err, step.want) {
			t.Fatalf("step %d: %v", i+1, err)
		}
		if err != nil {
			continue
		}
		if k = next; !stillOpens(t, before, newSealer(t, k)) {
			t.Errorf("step %d: what the last file seals does not open", i+1)
		}
	}
}

// stillOpens: what the file before seals, the one after opens.
func stillOpens(t *testing.T, before, after *store.Sealer) bool {
	t.Helper()
	_, err := after.Open(seal(t, before, "secret", "/a"), "/a")
	return err == nil
}

func TestWhatIsNoKeysetIsNotChanged(t *testing.T) {
	for _, text := range []string{"", "{}", "not json", `{"primaryKeyId":1,"key":[]}`} {
		if got, _, err := store.AddKey([]byte(text)); err == nil {
			t.Errorf("%q became %s", text, got)
		}
	}
}

func TestAKeyThatDoesNotNameItselfIsRefused(t *testing.T) {
	text, err := store.GenerateKeyset()
	if err != nil {
		t.Fatal(err)
	}
	raw := bytes.ReplaceAll(text, []byte(`"TINK"`), []byte(`"RAW"`))
	if _, err := store.NewSealer(raw); bytes.Equal(raw, text) || err == nil || !strings.Contains(err.Error(), "RAW") {
		t.Errorf("got %v", err)
	}
}
