package server

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
)

// farmOf is a Farm in etcd with a server, whose root token is someToken.
func farmOf(t *testing.T) (StorageConfig, *etcd.Store, *running) {
	t.Helper()
	storage, _ := offline(t)
	cfg := DefaultConfig()
	cfg.StorageConfig = storage
	st, free, err := openStore(storage, false, silent)
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, cfg, st)
	t.Cleanup(func() {
		r.stop()
		if _, err := r.wait(); err != nil {
			t.Error(err)
		}
		free()
	})
	for ctx, start := t.Context(), time.Now(); ; {
		if response, _ := r.get("/api/v1/sites", someToken); response.StatusCode == http.StatusOK {
			return storage, st, r
		}
		if time.Since(start) > 20*time.Second || ctx.Err() != nil {
			t.Fatal("the Farm has no token")
		}
	}
}

func TestTheOldRootTokenIsRefusedAtOnce(t *testing.T) {
	storage, _, r := farmOf(t)
	file := filepath.Join(t.TempDir(), "root.token")
	if err := os.WriteFile(file, []byte(someToken), 0o640); err != nil {
		t.Fatal(err)
	}
	storage.SecretKeyFile = "need not be there"
	var out bytes.Buffer
	if err := ReplaceRootToken(t.Context(), ReplaceRootTokenConfig{storage, file}, &out, &out); err != nil {
		t.Fatal(err)
	}
	token, err := readToken(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if response, content := r.get("/api/v1/sites", token); response.StatusCode != http.StatusOK {
		t.Errorf("the new one: %s\n%s", response.Status, content)
	}
	if response, content := r.get("/api/v1/sites", someToken); response.StatusCode != http.StatusUnauthorized || !strings.Contains(content, "quorate root-token replace") {
		t.Errorf("the old one: %s\n%s", response.Status, content)
	}
	if said := out.String(); strings.Contains(said, token) || !strings.Contains(said, "the old one is answered 401") {
		t.Errorf("it said:\n%s", said)
	}
	if left, err := filepath.Glob(file + ".*"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// Wherever a replacement ends, the next one goes on with its token.
func TestAReplacementOfTheRootTokenCanEndAtAnyMoment(t *testing.T) {
	storage, st, _ := farmOf(t)
	for _, at := range []struct {
		name   string
		stored bool
	}{{"before it is stored", false}, {"before the file has its name", true}} {
		dir := t.TempDir()
		file := filepath.Join(dir, "root.token")
		token := NewToken()
		if err := os.WriteFile(file+".next", []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		if at.stored {
			if _, err := st.ReplaceTokens(t.Context(), hashToken(token), store.Token{Name: "root", CreatedAt: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		if err := ReplaceRootToken(t.Context(), ReplaceRootTokenConfig{storage, file}, &out, &out); err != nil {
			t.Fatal(err)
		}
		if got, err := readToken(file); err != nil || got != token || !knows(t, st, token) || len(st.Latest().Tokens) != 1 {
			t.Errorf("%s: %v, %d tokens", at.name, err, len(st.Latest().Tokens))
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("%s: left %v, %v", at.name, entries, err)
		}
	}
}

func TestARootTokenThatCannotBeKeptOrStoredReplacesNothing(t *testing.T) {
	storage, st, _ := farmOf(t)
	var out bytes.Buffer
	for _, file := range []string{"/dev/null", t.TempDir(), filepath.Join(t.TempDir(), "none", "root.token")} {
		if err := ReplaceRootToken(t.Context(), ReplaceRootTokenConfig{storage, file}, &out, &out); err == nil {
			t.Errorf("%s was taken", file)
		}
	}
	old := filepath.Join(t.TempDir(), "root.token")
	if err := os.WriteFile(old, []byte(someToken), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	storage.EtcdPrefix = "/another/"
	if err := ReplaceRootToken(ctx, ReplaceRootTokenConfig{storage, old}, &out, &out); !errors.Is(err, store.ErrNoFarm) {
		t.Errorf("no Farm: %v", err)
	}
	if got, err := readToken(old); err != nil || got != someToken || !knows(t, st, someToken) {
		t.Errorf("%q, %v", got, err)
	}
}
