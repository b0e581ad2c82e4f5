package machines

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
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

// network is not the documents' 10.0.0.: whoever follows them has other addresses.
const network = "10.77.7."

// installation is the machine that one installs from, and others, on a network
// of their own.
type installation struct {
	t     *testing.T
	dir   string // a fresh copy of this repository, to install from
	tools string // where ssh is the engine's
	name  string
	image string
	at    map[int]string // the addresses of the machines
}

// newInstallation starts machines with nothing on them.
func newInstallation(t *testing.T, machines int) *installation {
	t.Helper()
	needs(t, "mmdebstrap", "git", "tar", "make")
	if out, err := exec.Command(docker(), "version").CombinedOutput(); err != nil {
		lacks(t, fmt.Sprintf("a Docker engine: %v\n%s", err, out))
	}
	in := &installation{t: t, name: fmt.Sprintf("quorate-machines-%d", os.Getpid()), at: map[int]string{}}
	in.dir, in.tools = in.repository(), t.TempDir()
	begin := time.Now()
	in.image = in.madeImage()
	t.Logf("the image is there after %v", time.Since(begin).Round(time.Second))

	// The network is there for the machines alone: whatever this computer
	// knows under these addresses stays where it is.
	t.Cleanup(func() { _, _ = in.engine("network", "rm", in.name) })
	in.mustEngine("network", "create", "--internal", "--opt", "com.docker.network.bridge.inhibit_ipv4=true",
		"--subnet", network+"0/24", "--gateway", network+"254", in.name)
	for n := 1; n <= machines; n++ {
		in.power(n, network+strconv.Itoa(n))
	}
	for n := 1; n <= machines; n++ {
		in.on(n).booted()
	}
	in.ssh()
	t.Logf("%d machines are there after %v", machines, time.Since(begin).Round(time.Second))
	return in
}

func (in *installation) madeImage() string {
	in.t.Helper()
	script := exec.Command("./image.sh")
	script.Stderr = os.Stderr
	name, err := script.Output()
	if err != nil {
		in.t.Fatalf("the image of the machines: %v", err)
	}
	return strings.TrimSpace(string(name))
}

// repository is a fresh copy of this one.
func (in *installation) repository() string {
	dir := in.t.TempDir()
	copying := exec.Command("bash", "-c", `set -o pipefail; git ls-files -co --exclude-standard -z | tar -c --null -T - | tar -x -C "$0"`, dir)
	copying.Dir = "../../.."
	if out, err := copying.CombinedOutput(); err != nil {
		in.t.Fatalf("copying the repository: %v\n%s", err, out)
	}
	return dir
}

// ssh makes a command of that name, which does what the documents need of it: it
// runs a command as root on the machine that has an address.
func (in *installation) ssh() {
	in.t.Helper()
	const script = `#!/bin/sh
[ -e "$0-$1" ] || { echo "nobody is at $1" >&2; exit 255; }
machine=$(cat "$0-$1"); shift
exec "%s" exec --interactive --workdir /root "$machine" bash -c "$*"
`
	engine, err := exec.LookPath(docker())
	if err == nil {
		err = os.WriteFile(filepath.Join(in.tools, "ssh"), fmt.Appendf(nil, script, engine), 0o700)
	}
	if err != nil {
		in.t.Fatal(err)
	}
}

// moved brings an empty machine in place of one that is given another address.
func (in *installation) moved() {
	in.t.Helper()
	set, err := os.ReadFile(filepath.Join(in.dir, "out", "addresses.sh"))
	if err != nil {
		in.t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^IP\[(\d)\]=(\S+)`).FindAllStringSubmatch(string(set), -1) {
		n, _ := strconv.Atoi(m[1])
		if address := m[2]; in.at[n] != address {
			in.mustEngine("rm", "--force", "--volumes", in.on(n).name)
			if err := os.Remove(filepath.Join(in.tools, "ssh-root@"+in.at[n])); err != nil {
				in.t.Fatal(err)
			}
			in.power(n, address)
			in.on(n).booted()
		}
	}
}

// nothingLeft holds that no secret is left where it was only on its way.
func (in *installation) nothingLeft() {
	in.t.Helper()
	if left, _ := filepath.Glob(filepath.Join(in.dir, "out", "machine-*")); len(left) > 0 {
		in.t.Errorf("here are left %v", left)
	}
	for n := range in.at {
		if left := in.on(n).run("find /root -name machine -o -name '*.key' -o -name '*.token' -o -name '*.snapshot'"); left != "" {
			in.t.Errorf("on machine %d are left:\n%s", n, left)
		}
	}
}

// power switches a new machine on. It has what systemd needs to confine its
// services, and not more.
func (in *installation) power(n int, address string) {
	in.t.Helper()
	name := in.on(n).name
	if err := os.WriteFile(filepath.Join(in.tools, "ssh-root@"+address), []byte(name), 0o600); err != nil {
		in.t.Fatal(err)
	}
	in.at[n] = address
	in.t.Cleanup(func() {
		if in.t.Failed() {
			out, _ := in.on(n).try("systemctl --failed; journalctl --no-pager -o cat -n 60 -u quorate -u etcd")
			in.t.Logf("%s:\n%s", name, out)
		}
		_, _ = in.engine("rm", "--force", "--volumes", name)
	})
	in.mustEngine("run", "--detach", "--name", name, "--hostname", fmt.Sprintf("machine-%d", n),
		"--network", in.name, "--ip", address,
		"--cap-add", "SYS_ADMIN", "--cap-add", "SYS_NICE", "--cap-add", "SYS_BOOT", "--cap-add", "SYS_PTRACE",
		"--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
		"--cgroupns", "private", "--tmpfs", "/run", "--tmpfs", "/tmp",
		"--restart", "always", // one that reboots ends, and is to start
		in.image, "sh", "-c", boot)
}

// machine is where commands are run.
type machine struct {
	in    *installation
	name  string
	shell func(ctx context.Context, script string) *exec.Cmd
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

// workshop is one shell, on the machine that one installs from: what a block of
// commands leaves there, the next one finds.
type workshop struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
	dir string
}

func (in *installation) workshop() *workshop {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	sh := exec.CommandContext(ctx, "bash", "-s")
	sh.Dir = in.dir
	sh.Env = append(os.Environ(), "PATH="+in.tools+":"+os.Getenv("PATH"))
	commands, err := sh.StdinPipe()
	if err != nil {
		in.t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		in.t.Fatal(err)
	}
	sh.Stdout, sh.Stderr = w, w
	if err := sh.Start(); err != nil {
		in.t.Fatal(err)
	}
	_ = w.Close()
	in.t.Cleanup(func() {
		_ = commands.Close()
		cancel()
		_ = sh.Wait()
		_ = r.Close()
	})
	return &workshop{t: in.t, in: commands, out: bufio.NewReader(r), dir: in.t.TempDir()}
}

// run runs commands, each of which must succeed, and returns what they print.
func (w *workshop) run(commands string) string {
	w.t.Helper()
	const mark = "=== the commands have ended"
	block := filepath.Join(w.dir, "block.sh")
	if err := os.WriteFile(block, []byte(commands), 0o600); err != nil {
		w.t.Fatal(err)
	}
	// Of its own input the shell keeps the rest for the next block.
	fmt.Fprintf(w.in, "set -euo pipefail\n. '%s' </dev/null\necho '%s'\n", block, mark)
	var said strings.Builder
	for {
		line, err := w.out.ReadString('\n')
		if strings.TrimSpace(line) == mark {
			return said.String()
		}
		said.WriteString(line)
		if err != nil {
			w.t.Fatalf("here: %v\n%s\n%s", err, commands, said.String())
		}
	}
}
