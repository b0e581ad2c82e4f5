package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/server"
)

// unit is what a unit file sets; a key that is there twice has both values.
func unit(t *testing.T, file string) map[string][]string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	set := map[string][]string{}
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "[") {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Errorf("%s: %q sets nothing", file, line)
		}
		set[key] = append(set[key], value)
	}
	return set
}

func TestTheUnitsRunWithoutRights(t *testing.T) {
	for file, user := range map[string]string{"../systemd/quorate.service": "quorate", "../systemd/etcd.service": "etcd"} {
		u := unit(t, file)
		for key, want := range map[string]string{
			"User": user, "NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "ProtectSystem": "strict", "ProtectHome": "yes",
			"PrivateTmp": "yes", "MemoryDenyWriteExecute": "yes", "Restart": "always", "StartLimitIntervalSec": "0",
		} {
			if got := u[key]; len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s is %q, want %q", file, key, got, want)
			}
		}
	}
}

func TestAServerHasTheTimeToHandOverWhenItsUnitStops(t *testing.T) {
	u := unit(t, "../systemd/quorate.service")
	limit, err := time.ParseDuration(u["TimeoutStopSec"][0] + "s")
	if least := server.DefaultConfig().StopTimeout + 5*time.Second; err != nil || limit < least {
		t.Errorf("TimeoutStopSec is %v, %v; it must be %v at least", limit, err, least)
	}
	if u["KillSignal"][0] != "SIGTERM" {
		t.Errorf("a server hands over on SIGTERM, not on %s", u["KillSignal"])
	}
}

func TestEveryVariableOfTheExampleIsASetting(t *testing.T) {
	help, err := exec.Command(binary, "serve", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range unit(t, "../systemd/quorate.env") {
		if !strings.Contains(string(help), "($"+name+")") {
			t.Errorf("quorate serve knows no %s", name)
		}
	}
}

// systemd's own opinion, of the units as they are but for where the programs lie.
func TestSystemdTakesTheUnits(t *testing.T) {
	needs(t, "systemd-analyze")
	dir := t.TempDir()
	for _, name := range []string{"quorate.service", "etcd.service"} {
		content, err := os.ReadFile(filepath.Join("../systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		there := strings.NewReplacer("/usr/local/bin/quorate", binary, "/usr/local/bin/etcd", binary).Replace(string(content))
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(there), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput(); err != nil || strings.Contains(string(out), name) {
			t.Errorf("verify %s: %v\n%s", name, err, out)
		}
		// Tenths: 2.0 of 10, where 10 is a process that may do everything.
		if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", file).CombinedOutput(); err != nil {
			t.Errorf("security %s: %v\n%s", name, err, out)
		}
	}
}
