// Package e2e tests the whole system as its users meet it: the real binary, real
// processes, real etcd, real faults.
package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quorate/quorate/server/client"
	"github.com/quorate/quorate/server/dev"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) {
	if runAsEtcd() {
		return
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "quorate-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "quorate")
	build := exec.Command("go", "build", "-o", binary, "../cmd/quorate")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building quorate:", err)
		return 1
	}
	return m.Run()
}

// patience is for what must happen soon, on a machine that is busy with other
// tests. What a bound is promised for is timed by the test itself.
const patience = 60 * time.Second

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// process is a run of the binary.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and all it said is in lines

	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed, and made anew, when there is another line
}

// start runs the binary; the test kills it if it is left running.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startAs(t, binary, args...)
}

// startAs runs another build of it.
func startAs(t *testing.T, binary string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary, args...), done: make(chan struct{}), more: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	read := make(chan struct{})
	go func() { defer close(read); p.read(r) }()
	go func() {
		_ = p.cmd.Wait()
		<-read
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill(syscall.SIGKILL)
		<-p.done
		if t.Failed() {
			t.Logf("%s said:\n%s", strings.Join(args, " "), strings.Join(p.said(), "\n"))
		}
	})
	return p
}

func (p *process) read(r io.ReadCloser) {
	defer func() { _ = r.Close() }()
	for s := bufio.NewScanner(r); s.Scan(); {
		p.mu.Lock()
		p.lines = append(p.lines, s.Text())
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
	}
}

func (p *process) said() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.lines...)
}

// await blocks until the process has written a line that matches, and returns
// the match and its groups.
func (p *process) await(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	timeout := time.After(patience)
	for from := 0; ; {
		p.mu.Lock()
		lines, more := p.lines, p.more
		p.mu.Unlock()
		for ; from < len(lines); from++ {
			if m := re.FindStringSubmatch(lines[from]); m != nil {
				return m
			}
		}
		select {
		case <-more:
		case <-p.done:
			p.t.Fatalf("it ended (%v) before it said %q", p.cmd.ProcessState, pattern)
		case <-timeout:
			p.t.Fatalf("it did not say %q", pattern)
		}
	}
}

func (p *process) kill(s syscall.Signal) {
	_ = p.cmd.Process.Signal(s)
}

// stop sends the signal and returns how long the process took to exit 0.
func (p *process) stop(s syscall.Signal) time.Duration {
	p.t.Helper()
	begin := time.Now()
	p.kill(s)
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("it did not stop on %v", s)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Errorf("it ended with %v on %v", p.cmd.ProcessState, s)
	}
	return time.Since(begin)
}

// site is a running `quorate dev`.
type site struct {
	*process
	dir string
	api *client.Client
}

// startDev runs `quorate dev` over a directory until everything is connected.
func startDev(t *testing.T, dir string, brokers int, args ...string) *site {
	t.Helper()
	args = append([]string{"dev", "--data-dir", dir, "--port", strconv.Itoa(freePorts(t, brokers))}, args...)
	s := &site{process: start(t, args...), dir: dir}
	s.await("Ctrl-C stops everything")
	facts := s.facts()
	var urls []string
	for _, b := range facts.Brokers {
		urls = append(urls, b.URL)
	}
	s.api = client.New(facts.Token, urls...)
	t.Cleanup(s.api.Close)
	return s
}

// facts is dev.json as it is now.
func (s *site) facts() dev.Facts {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join(s.dir, "dev.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	var f dev.Facts
	if err := json.Unmarshal(content, &f); err != nil {
		s.t.Fatalf("dev.json: %v", err)
	}
	return f
}

func (s *site) pid(broker string) int {
	s.t.Helper()
	for _, b := range s.facts().Brokers {
		if b.ID == broker {
			return b.PID
		}
	}
	s.t.Fatalf("dev.json has no broker %s", broker)
	return 0
}

// awaitSite blocks until the Site is as cond wants it.
func (s *site) awaitSite(what string, cond func(client.State) bool) client.State {
	s.t.Helper()
	state, err := s.api.Await(within(s.t, patience), "demo", what, cond)
	if err != nil {
		s.t.Fatal(err)
	}
	return state
}

// events are those that the Site keeps.
func (s *site) events() []client.Event {
	s.t.Helper()
	var page struct{ Items []client.Event }
	if err := s.api.Do(within(s.t, patience), "GET", "/sites/demo/events?limit=1000", nil, &page); err != nil {
		s.t.Fatal(err)
	}
	return page.Items
}

// allConnected reports whether every Provider is connected.
func allConnected(s client.State) bool {
	for _, p := range s.Providers {
		if p.Status.State != "connected" {
			return false
		}
	}
	return len(s.Providers) > 0
}

// freePorts finds n free ports in a row and returns the first.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for range 100 {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := first.Addr().(*net.TCPAddr).Port
		held := []net.Listener{first}
		for i := 1; i < n; i++ {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+i)))
			if err != nil {
				break
			}
			held = append(held, l)
		}
		for _, l := range held {
			_ = l.Close()
		}
		if len(held) == n {
			return port
		}
	}
	t.Fatalf("no %d free ports in a row", n)
	return 0
}

// gone reports whether no process of that id runs any more; one that nobody has
// collected yet does not run.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z")
}

// eventually polls for what nothing announces.
func eventually(t *testing.T, d time.Duration, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(d); ; {
		if cond() {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}
