package containers

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// What people type, with the compose that this machine has: docker's own, or
// docker-compose 1.29.
func TestTheCommandsOfTheMakefileTellTheStory(t *testing.T) {
	open(t)
	if err := exec.Command("docker", "compose", "version").Run(); err != nil {
		if _, err := exec.LookPath("docker-compose"); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal("CI must have docker compose or docker-compose")
			}
			t.Skipf("%s needs docker compose or docker-compose", t.Name())
		}
	}
	typed := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("make", append([]string{"-s", "--no-print-directory", "-C", "../..", "HOST_BUILD=1", "VERSION=e2e"}, args...)...)
		cmd.Env = append(os.Environ(), "QUORATE_BIND=127.0.0.78", fmt.Sprintf("PROJECT=quorate-make-%d", os.Getpid()),
			"QUORATE_IMAGE=quorate/quorate:e2e", "QUORATE_ETCD_IMAGE=quorate/etcd:e2e")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("make %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	defer typed("down", "ARGS=-v")
	if said := typed("up"); strings.Count(said, "  connected  cb-") != 3 || !strings.Contains(said, "The Site hq is up.") {
		t.Errorf("make up:\n%s", said)
	}
	if said := typed("token"); !strings.HasPrefix(said, "qr_") {
		t.Errorf("make token:\n%s", said)
	}
	said := typed("demo")
	t.Logf("make demo:\n%s", said)
	for _, part := range []string{"Killing the container of cb-", "Every Provider is connected again ", "(broker-offline)", "connecting → connected", "stands in for", "no longer stands in for"} {
		if !strings.Contains(said, part) {
			t.Errorf("%q is not told", part)
		}
	}
	if said := typed("up"); strings.Count(said, "  connected  cb-") != 3 {
		t.Errorf("make up again:\n%s", said)
	}
}
