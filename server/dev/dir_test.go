package dev

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestADirectoryIsHeldByOneRunAtATime(t *testing.T) {
	path := t.TempDir()
	first, err := hold(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hold(path); err == nil || !strings.Contains(err.Error(), "in use by another quorate dev") {
		t.Errorf("the second run: %v", err)
	}
	if err := first.release(); err != nil {
		t.Error(err)
	}
	again, err := hold(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.release(); err != nil {
		t.Error(err)
	}
}

func TestATemporaryDirectoryGoesWithItsRun(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d, err := hold("")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.writeFacts(Facts{}); err != nil {
		t.Error(err)
	}
	if err := d.release(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(d.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestTheKeysOfADirectoryStayTheSame(t *testing.T) {
	d := &directory{path: t.TempDir()}
	first, err := d.keys()
	if err != nil {
		t.Fatal(err)
	}
	again, err := d.keys()
	if err != nil || first != again {
		t.Errorf("%v then %v, %v", first, again, err)
	}
	for _, f := range []string{first.tokenFile, first.secretKeyFile} {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v: only its owner may read it", f, info.Mode(), err)
		}
	}
}
