package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// say runs the command line and returns what it wrote and its error.
func say(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), args, &out, &out)
	return out.String(), err
}

func TestHelpIsNoError(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"dev", "--help"}} {
		if out, err := say(t, args...); err != nil || !strings.Contains(out, "Usage: quorate") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

func TestEverySettingHasItsVariable(t *testing.T) {
	out, err := say(t, "serve", "--help")
	if err != nil {
		t.Fatal(err)
	}
	flags, variables := strings.Count(out, "\n      --")-strings.Count(out, "\n      --version"), strings.Count(out, "($QUORATE_")
	if flags < 15 || variables != flags {
		t.Errorf("%d flags, %d variables:\n%s", flags, variables, out)
	}
}

func TestACommandLineThatCannotBeCarriedOutSaysWhy(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"", "expected one of"},
		{"begin", "unexpected argument begin"},
		{"serve --lease-ttl=soon", "--lease-ttl"},
		{"serve --site=hq --margin=1ms", "--site, --broker give both"},
		{"serve --margin=0s", "--margin must be at least 300ms"},
		{"serve --margin=-1s", "--margin must be at least 300ms"},
		{"serve --mode=standby", "--mode is a Connection Broker's"},
		{"serve --margin=1ms", "--margin must be at least 300ms"},
		{"dev --restart-after=soon", "neither a duration such as 30s nor never"},
		{"dev --brokers=0", "--brokers"},
		{"export --with-secrets", "--with-secrets needs --passphrase-file"},
		{"export --etcd-prefix=quorate", "--etcd-prefix must begin and end with a slash"},
		{"import", "expected \"<file>\""},
		{"import --only-new --prune x", "give one of them"},
		{"serve --log-level=debu", "must be debug, info, warn or error; it is \"debu\""},
		{"root-token", "expected \"replace\""},
		{"import /dev/null", "no document of quorate export"},
		{"import --passphrase-file /dev/null x", "the first line of /dev/null is empty"},
		{"secret-key", "expected one of \"list\", \"add\", \"promote\", \"reseal\", \"retire\""},
		{"secret-key add /dev/null", "it holds no secret key"},
		{"secret-key reseal", "--secret-key-file must be given"},
		{"raise-epochs --by 0", "--by, --wait must be above 0"},
		{"raise-epochs --by 18446744073709551615", "--by must be at most 1099511627776"},
	} {
		if _, err := say(t, strings.Fields(c.args)...); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %q", c.args, err, c.says)
		}
	}
}

func TestASettingCanComeFromTheEnvironment(t *testing.T) {
	t.Setenv("QUORATE_LEASE_TTL", "10ms")
	if _, err := say(t, "serve"); err == nil || !strings.Contains(err.Error(), "--lease-ttl must be from 1s") {
		t.Errorf("got %v", err)
	}
}

func TestKeygenWritesAKeyForItsOwnerOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if out, err := say(t, "keygen", file); err != nil || out != "" {
		t.Fatalf("%q, %v", out, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := say(t, "keygen", file); err == nil {
		t.Error("the key was replaced")
	}
	if out, err := say(t, "keygen"); err != nil || !strings.Contains(out, "primaryKeyId") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestVersionNamesWhatRuns(t *testing.T) {
	out, err := say(t, "version")
	if flag, err := say(t, "--version"); err != nil || flag != out {
		t.Errorf("--version: %q, %v", flag, err)
	}
	if err != nil || !strings.Contains(out, "quorate "+version) || !strings.Contains(out, "commit") || !strings.Contains(out, "go1.") {
		t.Errorf("%q, %v", out, err)
	}
}
