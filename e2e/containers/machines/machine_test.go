package machines

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is for one block of commands; the longest builds etcd.
const patience = 5 * time.Minute

// boot runs systemd, which must be able to write its groups of processes. Where
// there are groups of the first version, it is to leave those of the second
// alone: they would be the same for all machines.
const boot = `for group in $(grep -o '/sys/fs/cgroup[^ ]*' /proc/mounts); do mount -o remount,bind,rw $group; done
exec /sbin/init systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1`

// installation is the machine that one installs from, and others, on a network
// of their own.
type installation struct {
	t        *testing.T
	here     *machine
	name     string
	machines int
}

// newInstallation starts machines with nothing on them, 10.0.0.1 and so on.
func newInstallation(t *testing.T, machines int) *installation {
	t.Helper()
	needs(t, "mmdebstrap", "git", "tar", "make")
	if out, err := exec.Command(docker(), "version").CombinedOutput(); err != nil {
		lacks(t, fmt.Sprintf("a Docker engine: %v\n%s", err, out))
	}
	in := &installation{t: t, name: fmt.Sprintf("quorate-machines-%d", os.Getpid()), machines: machines}
	in.here = in.workplace()
	begin := time.Now()
	image := in.image()
	t.Logf("the image is there after %v", time.Since(begin).Round(time.Second))

	// The network is there for the machines alone: whatever this computer
	// knows as 10.0.0.0 stays where it is.
	t.Cleanup(func() { _, _ = in.engine("network", "rm", in.name) })
	in.mustEngine("network", "create", "--internal", "--opt", "com.docker.network.bridge.inhibit_ipv4=true",
		"--subnet", "10.0.0.0/24", "--gateway", "10.0.0.254", in.name)
	for n := 1; n <= machines; n++ {
		in.power(n, image)
	}
	for n := 1; n <= machines; n++ {
		in.on(n).booted()
	}
	t.Logf("%d machines are there after %v", machines, time.Since(begin).Round(time.Second))
	return in
}

func (in *installation) image() string {
	in.t.Helper()
	script := exec.Command("./image.sh")
	script.Stderr = os.Stderr
	name, err := script.Output()
	if err != nil {
		in.t.Fatalf("the image of the machines: %v", err)
	}
	return strings.TrimSpace(string(name))
}

// workplace is a fresh copy of this repository.
func (in *installation) workplace() *machine {
	dir := in.t.TempDir()
	copying := exec.Command("bash", "-c", `set -o pipefail; git ls-files -co --exclude-standard -z | tar -c --null -T - | tar -x -C "$0"`, dir)
	copying.Dir = "../../.."
	if out, err := copying.CombinedOutput(); err != nil {
		in.t.Fatalf("copying the repository: %v\n%s", err, out)
	}
	return &machine{in: in, name: "here", dir: dir, shell: func(ctx context.Context, script string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, "bash", "-c", script)
		cmd.Dir = dir
		return cmd
	}}
}

// power switches a new machine on. It has what systemd needs to confine its
// services, and not more.
func (in *installation) power(n int, image string) {
	in.t.Helper()
	name := in.on(n).name
	in.t.Cleanup(func() {
		if in.t.Failed() {
			out, _ := in.on(n).try("systemctl --failed; journalctl --no-pager -o cat -n 60 -u quorate -u etcd")
			in.t.Logf("%s:\n%s", name, out)
		}
		_, _ = in.engine("rm", "--force", "--volumes", name)
	})
	in.mustEngine("run", "--detach", "--name", name, "--hostname", fmt.Sprintf("machine-%d", n),
		"--network", in.name, "--ip", fmt.Sprintf("10.0.0.%d", n),
		"--cap-add", "SYS_ADMIN", "--cap-add", "SYS_NICE", "--cap-add", "SYS_BOOT", "--cap-add", "SYS_PTRACE",
		"--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
		"--cgroupns", "private", "--tmpfs", "/run", "--tmpfs", "/tmp",
		"--restart", "always", // one that reboots ends, and is to start
		image, "sh", "-c", boot)
}

// copyFolders brings each machine's folder there, as scp would, and removes it
// here.
func (in *installation) copyFolders() {
	in.t.Helper()
	for n := 1; n <= in.machines; n++ {
		folder := filepath.Join(in.here.dir, "out", fmt.Sprintf("machine-%d", n))
		if _, err := os.Stat(folder); err != nil {
			continue
		}
		in.mustEngine("cp", folder+"/.", in.on(n).name+":/root/machine")
		if err := os.RemoveAll(folder); err != nil {
			in.t.Fatal(err)
		}
	}
}

// fetchSnapshot brings here what has been saved on machine 1, as scp would.
func (in *installation) fetchSnapshot() {
	in.t.Helper()
	const saved = "/root/quorate.snapshot"
	if _, err := in.on(1).try("test -e " + saved); err == nil {
		in.mustEngine("cp", in.on(1).name+":"+saved, filepath.Join(in.here.dir, "out"))
	}
}

// machine is where commands are run.
type machine struct {
	in    *installation
	name  string
	shell func(ctx context.Context, script string) *exec.Cmd
	dir   string // of the workplace
}

func (in *installation) on(n int) *machine {
	name := fmt.Sprintf("%s-%d", in.name, n)
	return &machine{in: in, name: name, shell: func(ctx context.Context, script string) *exec.Cmd {
		return exec.CommandContext(ctx, docker(), "exec", "--workdir", "/root", name, "bash", "-c", script)
	}}
}

// run runs commands, each of which must succeed, and returns what they print.
func (m *machine) run(commands string) string {
	m.in.t.Helper()
	out, err := m.try(commands)
	if err != nil {
		m.in.t.Fatalf("%s: %v\n%s\n%s", m.name, err, commands, out)
	}
	return out
}

func (m *machine) try(commands string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := m.shell(ctx, "set -euo pipefail\n"+commands).CombinedOutput()
	return string(out), err
}

// await waits until commands succeed.
func (m *machine) await(commands string) {
	m.in.t.Helper()
	m.in.eventually(m.name+" succeeds with\n"+commands, func() bool {
		_, err := m.try(commands)
		return err == nil
	})
}

func (in *installation) eventually(what string, cond func() bool) {
	in.t.Helper()
	often := time.NewTicker(200 * time.Millisecond)
	defer often.Stop()
	for begin := time.Now(); !cond(); <-often.C {
		if time.Since(begin) > patience/3 {
			in.t.Fatalf("not after %v: %s", patience/3, what)
		}
	}
}

// booted waits until everything has been started, without a failure.
func (m *machine) booted() {
	m.in.t.Helper()
	m.await(`[ "$(systemctl is-system-running)" = running ]`)
}

func (in *installation) engine(args ...string) (string, error) {
	var said, complaints bytes.Buffer
	cmd := exec.Command(docker(), args...)
	cmd.Stdout, cmd.Stderr = &said, &complaints
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("docker %s: %w\n%s", strings.Join(args, " "), err, complaints.String())
	}
	return strings.TrimSpace(said.String()), nil
}

func (in *installation) mustEngine(args ...string) string {
	in.t.Helper()
	out, err := in.engine(args...)
	if err != nil {
		in.t.Fatal(err)
	}
	return out
}

// docker is the client of Docker that the Makefile has chosen.
func docker() string {
	if chosen := os.Getenv("DOCKER"); chosen != "" {
		return chosen
	}
	return "docker"
}

// needs skips the test if a tool is missing, but not in CI.
func needs(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range append(tools, docker()) {
		if _, err := exec.LookPath(tool); err != nil {
			lacks(t, tool)
		}
	}
}

func lacks(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("CI must have %s", what)
	}
	t.Skipf("%s needs %s", t.Name(), what)
}
