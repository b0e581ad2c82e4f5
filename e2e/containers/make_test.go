package containers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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
	type outcome struct {
		said string
		err  error
	}
	try := func(args ...string) outcome {
		t.Helper()
		cmd := exec.Command("make", append([]string{"-s", "--no-print-directory", "-C", "../..", "HOST_BUILD=1", "VERSION=e2e"}, args...)...)
		cmd.Env = append(os.Environ(), "QUORATE_BIND=127.0.0.78", "QUORATE_PORT=18080", fmt.Sprintf("PROJECT=quorate-make-%d", os.Getpid()),
			"QUORATE_IMAGE=quorate/quorate:e2e", "QUORATE_ETCD_IMAGE=quorate/etcd:e2e")
		out, err := cmd.CombinedOutput()
		return outcome{string(out), err}
	}
	typed := func(args ...string) string {
		t.Helper()
		o := try(args...)
		if o.err != nil {
			t.Fatalf("make %s: %v\n%s", strings.Join(args, " "), o.err, o.said)
		}
		return o.said
	}
	defer typed("down", "ARGS=-v")
	busy, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.78:18082")
	if err != nil {
		t.Fatal(err)
	}
	if o := try("up"); o.err == nil || !strings.Contains(o.said, "is in use") || !strings.Contains(o.said, "make up QUORATE_PORT=9080") {
		t.Errorf("make up with a port that is in use: %v\n%s", o.err, o.said)
	}
	if err := busy.Close(); err != nil {
		t.Fatal(err)
	}
	said := typed("up")
	if strings.Count(said, "  connected  cb-") != 3 || !strings.Contains(said, "The Site hq is up.") || !strings.Contains(said, ":18080/swagger/ to :18083.") {
		t.Errorf("make up:\n%s", said)
	}
	for _, target := range []string{"token", "demo", "down"} {
		if hint := fmt.Sprintf("make %s PROJECT=quorate-make-%d ", target, os.Getpid()); !strings.Contains(said, hint) {
			t.Errorf("%q is not told:\n%s", hint, said)
		}
	}
	asHinted(t, said)
	if said := typed("token"); !strings.HasPrefix(said, "qr_") {
		t.Errorf("make token:\n%s", said)
	}
	said = typed("demo")
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

// asHinted runs the command line that make up prints for who has no browser, as it
// stands there, in the environment of somebody who sets nothing.
func asHinted(t *testing.T, said string) {
	t.Helper()
	_, rest, found := strings.Cut(said, "PROJECT=quorate-make-")
	line, _, _ := strings.Cut("PROJECT=quorate-make-"+rest, "\n")
	if !found || !strings.Contains(line, "curl") {
		t.Fatalf("there is no such line:\n%s", said)
	}
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(strings.ReplaceAll(line, "> ca.crt", ">$CA"), "--cacert ca.crt", "--cacert $CA"))
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "CA="+t.TempDir()+"/ca.crt")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), `"ready":true`) {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
}

// Who knows compose types compose: without images it builds them, and asks no
// registry for any.
func TestComposeByHandBuildsWhatIsNotThere(t *testing.T) {
	open(t)
	project := fmt.Sprintf("quorate-hand-%d", os.Getpid())
	compose := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("../compose/compose.sh", args...)
		cmd.Env = append(os.Environ(), "PROJECT="+project, "QUORATE_IMAGE="+project+"/quorate", "QUORATE_BINARIES=host", "DOCKER_BUILDKIT=1")
		if docker := os.Getenv("DOCKER"); strings.HasPrefix(docker, "/") { // 1.29 calls it by its name
			cmd.Env = append(cmd.Env, "PATH="+filepath.Dir(docker)+":"+os.Getenv("PATH"))
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("compose %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	defer compose("down", "-v", "--rmi", "all")
	if said := compose("up", "-d", "pcs"); strings.Contains(said, "Pulling") {
		t.Errorf("it asks a registry:\n%s", said)
	}
	if compose("ps", "-q", "pcs") == "" {
		t.Error("it does not run")
	}
}
