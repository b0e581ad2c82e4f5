package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The commands of docs/install.md and docs/operate.md are run as they stand there, in a directory
// for each machine, on 127.0.0.1 to 127.0.0.5. Replaced are the addresses, the
// ports and where the root of the file system is; `systemctl` and `systemd-run`, which
// run what systemd would run; `useradd` and `chown`, which would need real users; and
// `make`, which would build what this test has built.
func TestTheInstallationHolds(t *testing.T) {
	needs(t, "bash", "curl", "jq", "setsid")
	in := newInstallation(t)
	in.follow("docs/install.md", []promise{
		{"Here", nil},
		{"Here", []string{`cb-4.crt`}},
		{"Here", nil},
		{"On machines 1, 2, 3 and 4", nil},
		{"On machines 1, 2 and 3", nil},
		{"On machines 1, 2 and 3", nil},
		{"On machine 1", []string{`is healthy`, `3\.7\.3`}},
		{"On machines 1, 2, 3 and 4", []string{`ok +settings`, `ok +etcd cluster +3 members`, `ok +stored +`, ` 0 to mend`}},
		{"On machines 1, 2 and 3", nil},
		{"On machine 4", []string{`"state": "on"`, `cb-1 online active`, `cb-4 online standby`}},
		{"On machine 1", []string{`ok +broker hq/cb-4 `, `ok +secret key`, `ok +listen .* already`, `ok +etcd agreement`, ` 0 to mend`}},
		{"On machine 4", nil},
		{"On machine 1", []string{`"mode": "automatic"`, `"state": "connected"`, `"total": 10`}},
		{"On machine 2", nil},
		{"On machine 4", []string{`"role": "activated"`, `"standsInFor": "cb-2"`, `"state": "on"`}},
		{"On machine 2", nil},
	})
	in.follow("docs/operate.md", []promise{
		{"On machines 1, 2, 3 and 4", nil},
		{"On machine 1", []string{`"state": "on"`, ` 0 to mend`}},
		{"On machine 1", []string{`quorate_site_high_availability\{site="hq",state="on"\} 1`}},
		{"On machines 1, 2, 3 and 4", nil},
		{"On machine 1", []string{`true`, `false`}},

		// Add a broker, and remove it.
		{"Here", []string{`made .*cb-5.crt`}},
		{"On machine 5", nil},
		{"On machine 5", []string{` 0 to mend`}},
		{"On machine 1", []string{`cb-5 online standby`}},
		{"On machine 5", nil},
		{"On machine 1", []string{`(?:^|\n)(cb-[1234]\n){4}$`}},

		// etcd.
		{"On machine 1", []string{`Finished defragmenting etcd member`}},
		{"On machine 1", []string{`compacted revision`}},
		{"On machine 1", []string{`Snapshot saved`}},

		// Restore it: no epoch comes twice.
		{"On machines 1, 2, 3 and 4", nil},
		{"On machines 1, 2 and 3", nil},
		{"Here", nil},
		{"On machines 1, 2 and 3", []string{`restored snapshot`}},
		{"On machines 1, 2 and 3", nil},
		{"On machine 1", []string{`1 epochs were raised by 1000000`}},
		{"On machines 1, 2, 3 and 4", nil},
		{"On machine 1", []string{`(cb-\d online active\n){3}cb-4 online standby`, `vc-1 is connected at cb-\d, epoch 10000\d\d\n`, ` 0 to mend`}},

		// Replace a member.
		{"On machine 3", nil},
		{"On machine 1", []string{`removed from cluster`, `added to cluster`}},
		{"On machine 3", nil},
		{"On machine 1", []string{`started, etcd-3`}},

		// Replace certificates.
		{"Here", []string{`made .*cb-1.crt`}},
		{"On machine 1", nil},

		// Replace the authority.
		{"Here", []string{`made .*: the authority`, `made .*etcd-3.crt`, `made .*cb-4.crt`, `kept .*secret.key`, `kept .*root.token`}},
		{"On machines 1, 2 and 3", []string{`is healthy`}},
		{"On machines 1, 2, 3 and 4", nil},
		{"Here", nil},
		{"On machines 1, 2 and 3", []string{`is healthy`}},
		{"On machines 1, 2, 3 and 4", nil},
		{"Here", nil},
		{"On machine 1", []string{` 0 to mend`}},
		{"On machines 1, 2 and 3", []string{`is healthy`}},
		{"On machines 1, 2, 3 and 4", nil},
		{"On machine 1", []string{` 0 to mend`}},

		// Replace the secret key.
		{"Here", []string{`is added to`}},
		{"On machines 1, 2, 3 and 4", nil},
		{"Here", []string{`is primary in`}},
		{"On machines 1, 2, 3 and 4", nil},
		{"On machine 1", []string{`1 of 1 passwords were encrypted anew, the proof of the key too`}},
		{"Here", []string{`secret.key.retired-\d+: it opens`}},
		{"On machine 1", []string{`opens all 1 stored secrets`, ` 0 to mend`}},
		{"On machines 1, 2, 3 and 4", nil},
		{"On machine 1", []string{`vc-1 is connected at cb-\d`, `opens all 1 stored secrets`, ` 0 to mend`}},
	})
}

// promise is where a block of commands is run, and what it prints.
type promise struct {
	on    string
	wants []string
}

// follow runs all commands of a document.
func (in *installation) follow(file string, promised []promise) {
	t := in.t
	t.Helper()
	blocks := commandsOf(t, file)
	if len(blocks) != len(promised) {
		t.Fatalf("%s has %d blocks of commands, this test knows %d", file, len(blocks), len(promised))
	}
	for i, want := range promised {
		if got, _, _ := strings.Cut(strings.TrimPrefix(blocks[i], "# "), "\n"); got != want.on {
			t.Fatalf("%s: block %d is for %q, this test knows %q", file, i+1, got, want.on)
		}
		in.fetch()
		for _, root := range in.places(want.on) {
			out := in.run(root, blocks[i])
			for _, w := range want.wants {
				if !regexp.MustCompile(w).MatchString(out) {
					t.Errorf("%s: the commands\n%s\nprinted no %s:\n%s", want.on, blocks[i], w, out)
				}
			}
		}
		if t.Failed() {
			in.logs()
			t.FailNow()
		}
	}
}

// installation is the machine that one installs from, and five others.
type installation struct {
	t     *testing.T
	dir   string
	ports *strings.Replacer
}

func newInstallation(t *testing.T) *installation {
	in := &installation{t: t, dir: t.TempDir()}
	first := freePorts(t, 5)
	in.ports = strings.NewReplacer("10.0.0.", "127.0.0.", `10\.0\.0\.`, `127\.0\.0\.`,
		"2379", strconv.Itoa(first), "2380", strconv.Itoa(first+1), ":8080", ":"+strconv.Itoa(first+2), "2381", "0", "8989", strconv.Itoa(first+4))
	in.shim("useradd", "exit 0")
	in.shim("chown", "exit 0")
	in.shim("make", "mkdir -p bin && cp "+binary+" bin/quorate")
	in.shim("systemctl", systemctl)
	in.shim("systemd-run", systemdRun)
	in.copyExamples()
	for n := range 5 {
		in.mkdir(in.root(n+1), "usr/local/bin")
		in.mkdir(in.root(n+1), "etc/systemd/system")
		in.mkdir(in.root(n+1), "run")
	}
	t.Cleanup(in.stop)
	return in
}

func (in *installation) root(n int) string { return filepath.Join(in.dir, fmt.Sprintf("m%d", n)) }
func (in *installation) here() string      { return filepath.Join(in.dir, "here") }

func (in *installation) mkdir(elem ...string) string {
	in.t.Helper()
	dir := filepath.Join(elem...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		in.t.Fatal(err)
	}
	return dir
}

func (in *installation) shim(name, script string) {
	in.t.Helper()
	if err := os.WriteFile(filepath.Join(in.mkdir(in.dir, "shims"), name), []byte("#!/bin/bash\n"+script+"\n"), 0o755); err != nil {
		in.t.Fatal(err)
	}
}

// copyExamples puts systemd/ where one installs from, with this test's addresses.
func (in *installation) copyExamples() {
	in.t.Helper()
	files, err := filepath.Glob("../systemd/*")
	if err != nil || len(files) != 4 {
		in.t.Fatalf("systemd/ has %v, %v", files, err)
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err == nil {
			err = os.WriteFile(filepath.Join(in.mkdir(in.here(), "systemd"), filepath.Base(f)), []byte(in.ports.Replace(string(content))), 0o644)
		}
		if err != nil {
			in.t.Fatal(err)
		}
	}
}

// places are the directories that a block is to be run in.
func (in *installation) places(on string) []string {
	if on == "Here" {
		return []string{in.here()}
	}
	var all []string
	for _, n := range regexp.MustCompile(`\d`).FindAllString(on, -1) {
		i, _ := strconv.Atoi(n)
		all = append(all, in.root(i))
	}
	return all
}

var absolute = regexp.MustCompile(`(^|[\s="'>])(/(?:etc|usr/local|var/lib)/)`)

// run runs a block at a place. What the block installs is made to find itself
// under that place's root afterwards.
func (in *installation) run(root, block string) string {
	in.t.Helper()
	script := in.ports.Replace(block)
	if root != in.here() {
		script = absolute.ReplaceAllString(script, "${1}"+root+"${2}")
		if _, err := os.Lstat(filepath.Join(root, "machine")); err != nil {
			from := filepath.Join(in.here(), "out", strings.Replace(filepath.Base(root), "m", "machine-", 1))
			if err := os.Symlink(from, filepath.Join(root, "machine")); err != nil {
				in.t.Fatal(err)
			}
		}
	}
	shell := exec.CommandContext(within(in.t, 3*patience), "bash", "-c", "set -euo pipefail\n"+script)
	shell.Dir = root
	shell.Env = append(os.Environ(), "ROOT="+root, "PATH="+filepath.Join(in.dir, "shims")+":"+filepath.Join(root, "usr/local/bin")+":"+os.Getenv("PATH"))
	out, err := shell.CombinedOutput()
	if err != nil {
		in.logs()
		in.t.Fatalf("%s: %v\n%s\n%s", root, err, script, out)
	}
	for _, f := range []string{"etc/quorate/quorate.env", "etc/etcd/etcd.env", "etc/systemd/system/quorate.service", "etc/systemd/system/etcd.service"} {
		in.reroot(root, filepath.Join(root, f))
	}
	return string(out)
}

func (in *installation) reroot(root, file string) {
	content, err := os.ReadFile(file)
	if err != nil || root == in.here() {
		return // not installed yet
	}
	if err := os.WriteFile(file, []byte(absolute.ReplaceAllString(string(content), "${1}"+root+"${2}")), 0o640); err != nil {
		in.t.Fatal(err)
	}
}

// systemctl runs the ExecStart of a unit with its EnvironmentFile and nothing
// else, and ends it as the unit says.
const systemctl = `
set -e
verb=$1; shift
[ "$verb" = daemon-reload ] && exit 0
for unit in "$@"; do
	[ "$unit" = --now ] && continue
	file=$ROOT/etc/systemd/system/$unit.service
	value() { sed -n "s/^$1=//p" $file; }
	case $verb in
	enable|start)
		mkdir -p $ROOT/var/lib/$unit
		cd /
		env -i $(grep -v '^#' $(value EnvironmentFile)) setsid $(value ExecStart) >>$ROOT/run/$unit.log 2>&1 &
		echo $! >$ROOT/run/$unit.pid ;;
	restart)
		$0 stop $unit
		$0 start $unit ;;
	stop|disable)
		pid=$(cat $ROOT/run/$unit.pid)
		signal=$(value KillSignal)
		kill -s ${signal:-SIGTERM} $pid
		while kill -0 $pid 2>/dev/null; do sleep 0.05; done ;;
	*) echo "systemctl $verb is not known here" >&2; exit 1 ;;
	esac
done`

// systemdRun runs a program as its arguments say but for the user.
const systemdRun = `
while [[ $1 == --* ]]; do shift; done
setsid "$@" >$ROOT/run/transient.log 2>&1 &
echo $! >$ROOT/run/transient.pid`

// fetch brings here what was saved on machine 1, as scp would.
func (in *installation) fetch() {
	in.t.Helper()
	const saved = "quorate.snapshot"
	content, err := os.ReadFile(filepath.Join(in.root(1), saved))
	if os.IsNotExist(err) {
		return
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(in.here(), "out", saved), content, 0o600)
	}
	if err != nil {
		in.t.Fatal(err)
	}
}

// stop ends what still runs.
func (in *installation) stop() {
	files, _ := filepath.Glob(filepath.Join(in.dir, "m*", "run", "*.pid"))
	for _, f := range files {
		content, _ := os.ReadFile(f)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(content))); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			eventually(in.t, patience, f+" ends", func() bool { return gone(pid) })
		}
	}
}

func (in *installation) logs() {
	in.t.Helper()
	files, _ := filepath.Glob(filepath.Join(in.dir, "m*", "run", "*.log"))
	for _, f := range files {
		content, _ := os.ReadFile(f)
		in.t.Logf("%s:\n%s", f, content[max(0, len(content)-1500):])
	}
}
