package store_test

import (
	"bytes"
	"testing"

	"github.com/quorate/quorate/store"
)

func newKeyset(t *testing.T) []byte {
	t.Helper()
	k, err := store.GenerateKeyset()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newSealer(t *testing.T, keyset []byte) *store.Sealer {
	t.Helper()
	s, err := store.NewSealer(keyset)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func seal(t *testing.T, s *store.Sealer, text, path string) []byte {
	t.Helper()
	sealed, err := s.Seal([]byte(text), path)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestASealedSecretOpensOnlyWhereItWasSealed(t *testing.T) {
	k := newKeyset(t)
	sealed := seal(t, newSealer(t, k), "secret", "/a")
	if bytes.Contains(sealed, []byte("secret")) {
		t.Error("it lies open")
	}
	if got, err := newSealer(t, k).Open(sealed, "/a"); err != nil || string(got) != "secret" {
		t.Errorf("opened: %q, %v", got, err)
	}
	if got, err := newSealer(t, k).Open(sealed, "/b"); err == nil {
		t.Errorf("opened in another place: %q", got)
	}
	if got, err := newSealer(t, newKeyset(t)).Open(sealed, "/a"); err == nil {
		t.Errorf("opened with another keyset: %q", got)
	}
}

func TestARotatedKeysetOpensWhatTheOldOneSealed(t *testing.T) {
	old := newKeyset(t)
	sealed := seal(t, newSealer(t, old), "secret", "/a")

	both, added, err := store.AddKey(old)
	if err != nil {
		t.Fatal(err)
	}
	rotated, _, err := store.PromoteKey(both)
	if err != nil {
		t.Fatal(err)
	}

	now := newSealer(t, rotated)
	if now.PrimaryID() != added || newSealer(t, both).PrimaryID() == added {
		t.Error("it does not know its primary key")
	}
	if now.Primary(sealed) || !now.Primary(seal(t, now, "new", "/a")) {
		t.Error("it does not know what the new key has sealed")
	}
	if got, err := now.Open(sealed, "/a"); err != nil || string(got) != "secret" {
		t.Errorf("opened: %q, %v", got, err)
	}
	if got, err := newSealer(t, old).Open(seal(t, now, "new", "/a"), "/a"); err == nil {
		t.Errorf("the old keyset opens what the new key sealed: %q", got)
	}
}

func TestWhatIsNoKeysetMakesNoSealer(t *testing.T) {
	for _, text := range []string{"", "{}", "not json", `{"primaryKeyId":1,"key":[]}`} {
		if _, err := store.NewSealer([]byte(text)); err == nil {
			t.Errorf("%q made a Sealer", text)
		}
	}
}
