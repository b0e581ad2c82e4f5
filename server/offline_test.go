package server

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

// offline is an etcd for commands, and a way to look what they left in it.
func offline(t *testing.T) (StorageConfig, func() []string) {
	t.Helper()
	e := etcdtest.Start(t)
	client, err := etcd.Dial(etcd.DialConfig{Endpoints: e.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	cfg := DefaultStorageConfig()
	cfg.Etcd = nil
	for _, at := range e.Endpoints() {
		cfg.Etcd = append(cfg.Etcd, "http://"+strings.TrimPrefix(at, "http://"))
	}
	cfg.SecretKeyFile = filepath.Join(t.TempDir(), "key")
	if err := WriteSecretKeyFile(cfg.SecretKeyFile); err != nil {
		t.Fatal(err)
	}
	return cfg, func() (keys []string) {
		got, err := client.Get(t.Context(), "\x00", clientv3.WithFromKey())
		if err != nil {
			t.Fatal(err)
		}
		for _, kv := range got.Kvs {
			keys = append(keys, string(kv.Key))
		}
		return keys
	}
}

const emptyDocument = "format: quorate-configuration\nversion: 1\nsites: {hq: {brokers: {cb-1: {}}}}\ncomplete: true\n"

func TestACommandMakesNoFarm(t *testing.T) {
	cfg, keys := offline(t)
	backup := filepath.Join(t.TempDir(), "farm.yaml")
	if err := os.WriteFile(backup, []byte("good"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for name, err := range map[string]error{
		"export":           Export(t.Context(), ExportConfig{StorageConfig: cfg, File: backup}, &out, &out),
		"import --dry-run": Import(t.Context(), ImportConfig{StorageConfig: cfg, DryRun: true, File: "-"}, strings.NewReader(emptyDocument), &out, &out),
		"raise-epochs":     RaiseEpochs(t.Context(), RaiseEpochsConfig{StorageConfig: cfg, By: 1, Wait: time.Second}, &out, &out),
	} {
		if !errors.Is(err, store.ErrNoFarm) || !strings.Contains(err.Error(), "check --etcd and --etcd-prefix") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left := keys(); len(left) > 0 {
		t.Errorf("they made %v", left)
	}
	if text, err := os.ReadFile(backup); err != nil || string(text) != "good" {
		t.Errorf("the backup is %q, %v", text, err)
	}
}

// An import brings a Farm to a new etcd, and its key; a rehearsal there with
// another key is refused, and one before the Farm has a key leaves none.
func TestOnlyAnImportMakesAFarm(t *testing.T) {
	cfg, keys := offline(t)
	var out bytes.Buffer
	run := func(cfg StorageConfig, dry bool) error {
		return Import(t.Context(), ImportConfig{StorageConfig: cfg, DryRun: dry, File: "-"}, strings.NewReader(emptyDocument), &out, &out)
	}
	first := cfg
	first.SecretKeyFile = ""
	if err := run(first, false); err != nil {
		t.Fatal(err)
	}
	made := strings.Join(keys(), " ")
	if err := run(cfg, true); err != nil {
		t.Fatal(err)
	}
	if now := strings.Join(keys(), " "); now != made || strings.Contains(now, "secret-key") || !strings.Contains(now, "/quorate/farm") {
		t.Errorf("after a rehearsal: %s, before it: %s", now, made)
	}
}

// What cannot be read would be missing from a backup.
func TestAnExportOfWhatCannotBeReadIsRefused(t *testing.T) {
	cfg, _ := offline(t)
	var out bytes.Buffer
	if err := Import(t.Context(), ImportConfig{StorageConfig: cfg, File: "-"}, strings.NewReader(emptyDocument), &out, &out); err != nil {
		t.Fatal(err)
	}
	client, err := etcd.Dial(etcd.DialConfig{Endpoints: cfg.Etcd})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if _, err := client.Put(t.Context(), "/quorate/brokers/hq/cb-1", `{"mode":"act`); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "farm.yaml")
	err = Export(t.Context(), ExportConfig{StorageConfig: cfg, File: file}, &out, &out)
	if !errors.Is(err, store.ErrUnreadable) || !strings.Contains(err.Error(), "brokers/hq/cb-1") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("something was written")
	}
}
