package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// commandsOf returns the blocks of commands in a document, as they stand there.
func commandsOf(t *testing.T, document string) []string {
	t.Helper()
	text, err := os.ReadFile("../" + document)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// checkStory runs all commands of a document on what startDev started, as they
// stand there but for the port, and compares what each block prints with what
// the text around it promises.
func (s *site) checkStory(document, home string, promised [][]string) {
	s.t.Helper()
	blocks := commandsOf(s.t, document)
	if len(blocks) != len(promised) {
		s.t.Fatalf("%s has %d blocks of commands, this test knows %d", document, len(blocks), len(promised))
	}
	brokers := s.facts().Brokers
	_, lastPort, _ := strings.Cut(strings.TrimPrefix(brokers[len(brokers)-1].URL, "http://"), ":")
	script := "set -euo pipefail\n"
	for i, b := range blocks {
		script += fmt.Sprintf("echo '=== %d'\n%s", i, strings.ReplaceAll(b, "8083", lastPort))
	}
	bash := exec.CommandContext(within(s.t, 3*patience), "bash", "-c", script)
	bash.Dir = home
	out, err := bash.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	printed := regexp.MustCompile(`(?m)^=== \d+\n`).Split(string(out), -1)[1:]
	for i, wants := range promised {
		for _, want := range wants {
			if !regexp.MustCompile(want).MatchString(printed[i]) {
				s.t.Errorf("the commands\n%s\nprinted no %s:\n%s", blocks[i], want, printed[i])
			}
		}
	}
}

// needs skips the test if a tool is missing, but not in CI.
func needs(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("CI must have %s", tool)
			}
			t.Skipf("this needs %s", tool)
		}
	}
}

// shell is a bash in which a document's commands are run one block after the
// other, as an operator does. It has quorate and the tools of etcd.
type shell struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

func newShell(t *testing.T, dir string) *shell {
	t.Helper()
	needs(t, "bash")
	sh := exec.CommandContext(within(t, 5*patience), "bash", "-s")
	sh.Dir = dir
	sh.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+etcdTools(t)+":"+os.Getenv("PATH"))
	in, err := sh.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	sh.Stdout, sh.Stderr = w, w
	if err := sh.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	t.Cleanup(func() {
		_ = in.Close()
		_ = sh.Wait()
		_ = r.Close()
	})
	return &shell{t: t, in: in, out: bufio.NewReader(r)}
}

// run runs commands, each of which must succeed, and returns what they print.
// What they leave in the shell's variables is there for the next.
func (s *shell) run(commands string) string {
	s.t.Helper()
	out, err := s.try(commands)
	if err != nil {
		s.t.Fatalf("%v:\n%s\n%s", err, commands, out)
	}
	return out
}

func (s *shell) try(commands string) (string, error) {
	s.t.Helper()
	const mark = "=== the commands have ended with "
	fmt.Fprintf(s.in, "set -e; trap 'echo \"%s$?\"' EXIT\n%s\ntrap - EXIT; echo '%s0'\n", mark, commands, mark)
	var said strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		if status, ended := strings.CutPrefix(line, mark); ended {
			if status = strings.TrimSpace(status); status != "0" {
				return said.String(), fmt.Errorf("status %s", status)
			}
			return said.String(), nil
		}
		said.WriteString(line)
		if err != nil {
			return said.String(), fmt.Errorf("the shell: %w", err)
		}
	}
}

var tools struct {
	once sync.Once
	dir  string
	err  error
}

// etcdTools is the folder that etcdctl and etcdutl are in; they are built once.
func etcdTools(t *testing.T) string {
	t.Helper()
	tools.once.Do(func() {
		tools.dir = filepath.Join(filepath.Dir(binary), "etcd-tools")
		build := exec.Command("go", "build", "-o", tools.dir+"/", "go.etcd.io/etcd/etcdctl/v3", "go.etcd.io/etcd/etcdutl/v3")
		build.Dir = "etcd"
		if out, err := build.CombinedOutput(); err != nil {
			tools.err = fmt.Errorf("building etcd's tools: %w\n%s", err, out)
		}
	})
	if tools.err != nil {
		t.Fatal(tools.err)
	}
	return tools.dir
}

// What operators restore with must be of the version that is run.
func TestTheToolsAreOfEtcdsVersion(t *testing.T) {
	version := func(dir, module string) string {
		list := exec.Command("go", "list", "-m", "-f", "{{.Version}}", module)
		list.Dir = dir
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	want := version("..", "go.etcd.io/etcd/server/v3")
	for _, tool := range []string{"go.etcd.io/etcd/etcdctl/v3", "go.etcd.io/etcd/etcdutl/v3", "go.etcd.io/etcd/server/v3"} {
		if got := version("etcd", tool); got != want {
			t.Errorf("%s is %s, the server is %s", tool, strings.TrimSpace(got), want)
		}
	}
}
