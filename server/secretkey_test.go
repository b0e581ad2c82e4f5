package server

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// keyText is a new key in a file that a group may read, and its text.
func keyText(t *testing.T) (file, text string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "secret.key")
	if err := WriteSecretKeyFile(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	return file, contentOf(t, file)
}

func contentOf(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestAKeyFileStaysForWhomItWasAndNothingInItIsLost(t *testing.T) {
	file, _ := keyText(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := AddSecretKey(link, &out); err != nil {
		t.Fatal(err)
	}
	if err := PromoteSecretKey(link, &out); err != nil {
		t.Fatal(err)
	}
	both := contentOf(t, file)
	if err := RetireSecretKeys(file, &out); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(file + ".retired-*")
	if err != nil || len(kept) != 1 || contentOf(t, kept[0]) != both || contentOf(t, file) == both {
		t.Errorf("kept: %v, %v", kept, err)
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(entries) != 2 {
		t.Errorf("left: %v, %v", entries, err)
	}
	for _, f := range append(kept, file) {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: %v, %v", f, info.Mode(), err)
		}
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link: %v, %v", info, err)
	}
	if !strings.Contains(out.String(), kept[0]) {
		t.Errorf("it said:\n%s", out.String())
	}
}

func TestAKeyFileIsNotTouchedIfAStepIsNotItsTurn(t *testing.T) {
	file, text := keyText(t)
	var out bytes.Buffer
	if err := RetireSecretKeys(file, &out); err == nil || !strings.Contains(err.Error(), "nothing to retire") {
		t.Errorf("retire: %v", err)
	}
	if err := PromoteSecretKey(file, &out); err == nil || !strings.Contains(err.Error(), "quorate secret-key add") {
		t.Errorf("promote: %v", err)
	}
	if contentOf(t, file) != text {
		t.Error("the file has changed")
	}
	if err := AddSecretKey(file, &out); err != nil {
		t.Fatal(err)
	}
	text = contentOf(t, file)
	if err := RetireSecretKeys(file, &out); err == nil || !strings.Contains(err.Error(), "quorate secret-key promote") {
		t.Errorf("retire: %v", err)
	}
	if err := AddSecretKey(file, &out); err == nil || strings.Contains(err.Error(), "keyset:") {
		t.Errorf("a second key waits: %v", err)
	}
	if contentOf(t, file) != text {
		t.Error("the file has changed")
	}
	if kept, err := filepath.Glob(file + ".*"); err != nil || len(kept) > 0 {
		t.Errorf("left: %v, %v", kept, err)
	}
}

// An older file of the same name may be the only one that opens a snapshot.
func TestWhatARetirementKeptIsNeverReplaced(t *testing.T) {
	file, _ := keyText(t)
	var out bytes.Buffer
	if err := AddSecretKey(file, &out); err != nil {
		t.Fatal(err)
	}
	if err := PromoteSecretKey(file, &out); err != nil {
		t.Fatal(err)
	}
	both := contentOf(t, file)
	if err := RetireSecretKeys(file, &out); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(file + ".retired-*")
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept: %v, %v", kept, err)
	}
	if err := os.WriteFile(file, []byte(both), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kept[0], []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := RetireSecretKeys(file, &out); err == nil || contentOf(t, file) != both || contentOf(t, kept[0]) != "another" {
		t.Errorf("a second time: %v", err)
	}
}

// So it is after a kill between its two steps, and after the kept file was put back.
func TestARetirementCanBeRepeated(t *testing.T) {
	file, _ := keyText(t)
	var out bytes.Buffer
	if err := errors.Join(AddSecretKey(file, &out), PromoteSecretKey(file, &out)); err != nil {
		t.Fatal(err)
	}
	both := contentOf(t, file)
	for range 2 {
		if err := os.WriteFile(file, []byte(both), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := RetireSecretKeys(file, &out); err != nil || contentOf(t, file) == both {
			t.Fatalf("%v", err)
		}
		kept, err := filepath.Glob(file + ".retired-*")
		if err != nil || len(kept) != 1 || contentOf(t, kept[0]) != both {
			t.Errorf("kept: %v, %v", kept, err)
		}
	}
}

// The link may be on another file system.
func TestWhatARetirementKeepsIsBesideTheFileAndNotItsLink(t *testing.T) {
	file, _ := keyText(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := errors.Join(AddSecretKey(link, &out), PromoteSecretKey(link, &out), RetireSecretKeys(link, &out)); err != nil {
		t.Fatal(err)
	}
	if kept, err := filepath.Glob(file + ".retired-*"); err != nil || len(kept) != 1 || !strings.Contains(out.String(), kept[0]) {
		t.Errorf("kept: %v, %v", kept, err)
	}
}

func TestOfTwoWhoAddAKeyNoneIsLost(t *testing.T) {
	for range 20 {
		file, _ := keyText(t)
		added := make([]error, 4)
		var wg sync.WaitGroup
		for i := range added {
			wg.Go(func() { added[i] = AddSecretKey(file, io.Discard) })
		}
		wg.Wait()
		done := 0
		for _, err := range added {
			if err == nil {
				done++
			}
		}
		if done != 1 {
			t.Fatalf("%d were told that theirs is in the file: %v", done, added)
		}
	}
}

func TestSealingAnewNeedsAFarmAndItsKey(t *testing.T) {
	cfg, keys := offline(t)
	var out bytes.Buffer
	if err := Reseal(t.Context(), ResealConfig{StorageConfig: cfg}, &out, &out); err == nil || !strings.Contains(err.Error(), "check --etcd and --etcd-prefix") {
		t.Errorf("no Farm: %v", err)
	}
	if left := keys(); len(left) > 0 {
		t.Errorf("it made %v", left)
	}
	none := cfg
	none.SecretKeyFile = ""
	if err := Reseal(t.Context(), ResealConfig{StorageConfig: none}, &out, &out); err == nil || !strings.Contains(err.Error(), "--secret-key-file must be given") {
		t.Errorf("no key: %v", err)
	}
	if err := Import(t.Context(), ImportConfig{StorageConfig: cfg, File: "-"}, strings.NewReader(emptyDocument), &out, &out); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := Reseal(t.Context(), ResealConfig{StorageConfig: cfg}, &out, &out); err != nil || !strings.Contains(out.String(), "There is nothing to encrypt anew: what is stored (passwords: 0)") {
		t.Errorf("%v: %s", err, out.String())
	}
	if !strings.Contains(out.String(), "It is the only key there. To replace it: quorate secret-key add") {
		t.Errorf("with one key: %s", out.String())
	}
	other := cfg
	other.SecretKeyFile, _ = keyText(t)
	if err := Reseal(t.Context(), ResealConfig{StorageConfig: other}, &out, &out); err == nil || !strings.Contains(err.Error(), "it is not the key of this Farm") {
		t.Errorf("another key: %v", err)
	}
}

func TestTheKeysOfAFileAreListed(t *testing.T) {
	file, _ := keyText(t)
	list := func() []string {
		t.Helper()
		var out bytes.Buffer
		if err := ListSecretKeys(file, &out); err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(out.String()), "\n")
	}
	var out bytes.Buffer
	if got := list(); len(got) != 1 || !strings.HasSuffix(got[0], "  primary: encrypts and opens") {
		t.Errorf("one: %q", got)
	}
	if err := AddSecretKey(file, &out); err != nil {
		t.Fatal(err)
	}
	if got := list(); len(got) != 2 || !strings.HasSuffix(got[1], "  opens; waits to be promoted") {
		t.Errorf("added: %q", got)
	}
	if err := PromoteSecretKey(file, &out); err != nil {
		t.Fatal(err)
	}
	if got := list(); len(got) != 2 || !strings.HasSuffix(got[0], "  opens") || !strings.Contains(got[1], "  primary") {
		t.Errorf("promoted: %q", got)
	}
	if err := ListSecretKeys("/dev/null", &out); err == nil || !strings.Contains(err.Error(), "it holds no secret key as 'quorate keygen' makes it") {
		t.Errorf("no key: %v", err)
	}
}
