package server

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/server/transfer"
	"github.com/quorate/quorate/store/mem"
)

func TestWhatAnImportDidIsTold(t *testing.T) {
	for _, c := range []struct {
		outcome transfer.Outcome
		cfg     ImportConfig
		says    string
	}{
		{transfer.Outcome{}, ImportConfig{DryRun: true}, "Nothing would change.\n"},
		{transfer.Outcome{}, ImportConfig{}, "Nothing has changed: everything is as the document says.\n"},
		{transfer.Outcome{Differences: []string{"~ a", "+ b"}}, ImportConfig{DryRun: true}, "~ a\n+ b\nThat would change. Nothing is stored yet.\n"},
		{transfer.Outcome{Differences: []string{"~ a"}, Left: []string{"x", "y"}}, ImportConfig{},
			"~ a\nEverything that the document names is as it says.\nNot in the document, left alone: x, y\n"},
		{transfer.Outcome{Differences: []string{"~ a"}}, ImportConfig{}, "~ a\nEverything is as the document says.\n"},
		{transfer.Outcome{}, ImportConfig{OnlyNew: true}, "Nothing has changed: everything that the document names is there.\n"},
	} {
		var out bytes.Buffer
		tell(&out, c.outcome, c.cfg)
		if out.String() != c.says {
			t.Errorf("%+v: %q, want %q", c.outcome, out.String(), c.says)
		}
	}
}

// The real kinds of Provider judge what is imported.
func TestAnImportIsJudgedByTheDrivers(t *testing.T) {
	d, err := transfer.Decode([]byte(`
format: quorate-configuration
version: 1
sites:
  hq:
    brokers: {cb-1: {}}
    providers:
      vc-1: {type: vsphere, preferredConnectionBroker: {mode: manual, broker: cb-1}}
complete: true
`))
	if err != nil {
		t.Fatal(err)
	}
	st := mem.New()
	_, err = transferred(st, os.Stderr).Import(t.Context(), d, transfer.Options{})
	for _, want := range []string{"sites/hq/providers/vc-1: ", "/address", "/credentials/username"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

func TestADocumentReplacesTheLastOneWholly(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "farm.yaml")
	for _, text := range []string{"the first, which is longer", "the second"} {
		if err := writeDocument(file, []byte(text), nil); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != text {
			t.Errorf("%q, %v", got, err)
		}
	}
	if err := writeDocument(filepath.Join(dir, "not", "there"), nil, nil); err == nil {
		t.Error("no error")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left over: %v", left)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestAPassphraseIsTheFirstLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passphrase")
	for content, want := range map[string]string{"correct horse\r\nsecond": "correct horse", " a ": " a ", "": "", "\nx": ""} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readPassphrase(file)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", content, got, err)
		}
	}
}

func TestACommandSaysThatEtcdDoesNotAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for etcd")
	}
	cfg := ExportConfig{StorageConfig: DefaultStorageConfig()}
	cfg.Etcd = []string{"http://127.0.0.1:1"}
	begin := time.Now()
	err := Export(t.Context(), cfg, os.Stdout, os.Stderr)
	if err == nil || !strings.Contains(err.Error(), "no answer from etcd at http://127.0.0.1:1") || time.Since(begin) > 2*answerTimeout {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
}
