package guard

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The test's own program is guard and child too, by what this says.
const act = "QUORATE_GUARD_TEST"

func TestMain(m *testing.M) {
	switch role := os.Getenv(act); role {
	case "":
		os.Exit(m.Run())
	case "guard":
		beGuard()
	default:
		beChild(role)
	}
}

// beChild is a server that holds leases 1 and 2 and has given 1 back. It says on
// standard output what happens to it.
func beChild(role string) {
	t, err := Tethered()
	if err != nil || t == nil {
		fmt.Println("no guard:", err)
		os.Exit(3)
	}
	if role == "refuses" {
		fmt.Println("refused")
		os.Exit(1)
	}
	told := make(chan os.Signal, 8)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGUSR1)
	t.Lease(1, true)
	t.Lease(2, true)
	t.Lease(1, false)
	t.Up()
	fmt.Println("serves", os.Getpid())
	ctx, cancel := context.WithCancel(context.Background())
	alone := make(chan struct{})
	go func() { defer close(alone); t.Run(ctx) }()
	for {
		select {
		case <-alone:
			fmt.Println("alone")
			os.Exit(0)
		case s := <-told:
			fmt.Println("told", s)
			if s == syscall.SIGTERM && role != "stubborn" {
				t.Lease(2, false)
				cancel()
				os.Exit(0)
			}
		}
	}
}

// beGuard guards a child until it is killed.
func beGuard() {
	_ = Run(context.Background(), Config{
		Command: child("serves", os.Stdout), Revoke: func(context.Context, int64) error { return nil },
		Log: slog.New(slog.DiscardHandler),
	})
}

func child(role string, out *os.File) func() *exec.Cmd {
	return func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), act+"="+role)
		cmd.Stdout, cmd.Stderr = out, out
		return cmd
	}
}

// watch is a guard under test.
type watch struct {
	t       *testing.T
	lines   *bufio.Scanner // what its children say
	stop    context.CancelFunc
	signals chan os.Signal
	pids    chan int
	done    chan error
	tries   chan struct{} // one for each revocation

	mu      sync.Mutex
	revoked []int64
	ends    []End
}

func guarding(t *testing.T, role string, revoke error) *watch {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	g := &watch{t: t, lines: bufio.NewScanner(r), stop: stop, signals: make(chan os.Signal, 8), pids: make(chan int, 8), done: make(chan error, 1), tries: make(chan struct{}, 16)}
	go func() {
		err := Run(ctx, Config{
			Command: child(role, w), RestartAfter: RestartAfter(10 * time.Millisecond), StopTimeout: time.Minute,
			Revoke: func(_ context.Context, lease int64) error {
				g.mu.Lock()
				defer g.mu.Unlock()
				g.revoked = append(g.revoked, lease)
				g.tries <- struct{}{}
				if len(g.revoked) < 3 {
					return revoke
				}
				return nil
			},
			Signals: g.signals, Started: func(pid int) { g.pids <- pid },
			Ended: func(e End) { g.mu.Lock(); defer g.mu.Unlock(); g.ends = append(g.ends, e) },
			Log:   slog.New(slog.DiscardHandler),
		})
		_ = w.Close()
		g.done <- err
	}()
	t.Cleanup(func() {
		stop()
		for g.lines.Scan() {
		}
		_ = r.Close()
	})
	return g
}

// says waits until a child says a line that begins so.
func (g *watch) says(want string) {
	g.t.Helper()
	for g.lines.Scan() {
		if strings.HasPrefix(g.lines.Text(), want) {
			return
		}
	}
	g.t.Fatalf("no child said %q", want)
}

func (g *watch) revocations() []int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.revoked)
}

func TestADeadChildsLeasesAreRevokedAndTheNextIsStarted(t *testing.T) {
	g := guarding(t, "serves", nil)
	g.says("serves")
	if err := syscall.Kill(<-g.pids, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	g.says("serves")
	g.stop()
	g.says("told terminated")
	if err := <-g.done; err != nil {
		t.Error(err)
	}
	if got := g.revocations(); !slices.Equal(got, []int64{2}) {
		t.Errorf("revoked: %v; lease 1 was given back, and the second child gave back all", got)
	}
	if len(g.ends) != 2 || !g.ends[0].Signaled || !g.ends[0].Up || g.ends[1].Err != nil {
		t.Errorf("%+v", g.ends)
	}
}

func TestARevocationIsTriedAgain(t *testing.T) {
	g := guarding(t, "serves", errors.New("away"))
	g.says("serves")
	_ = syscall.Kill(<-g.pids, syscall.SIGKILL)
	g.says("serves")
	for range 3 {
		<-g.tries
	}
	g.stop()
	if err := <-g.done; err != nil {
		t.Error(err)
	}
}

func TestAChildThatDoesNotStartIsNotStartedAgain(t *testing.T) {
	g := guarding(t, "refuses", nil)
	g.says("refused")
	if err := <-g.done; !errors.Is(err, ErrStart) {
		t.Error(err)
	}
	if len(g.pids) != 1 {
		t.Errorf("%d children", len(g.pids))
	}
}

func TestSignalsArePassedOnAndInsistingKills(t *testing.T) {
	g := guarding(t, "stubborn", nil)
	g.says("serves")
	g.signals <- syscall.SIGUSR1
	g.says("told user defined signal 1")
	g.stop()
	g.signals <- syscall.SIGTERM // the one that has ended ctx
	g.says("told terminated")
	g.signals <- syscall.SIGTERM
	if err := <-g.done; err == nil {
		t.Error("it was not killed")
	}
	if got := g.revocations(); !slices.Equal(got, []int64{2}) {
		t.Errorf("revoked: %v", got)
	}
}

func TestAChildEndsWithItsGuard(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := child("guard", w)()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	lines := bufio.NewScanner(r)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "serves") {
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	rest, err := io.ReadAll(r) // ends when the child has
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	if all := strings.Join(said, "\n") + string(rest); err != nil || !strings.Contains(all, "alone") {
		t.Errorf("%q, %v", all, err)
	}
}

func TestThereNeedBeNoGuard(t *testing.T) {
	tether, err := Tethered()
	if tether != nil || err != nil {
		t.Fatal(tether, err)
	}
	tether.Lease(1, true)
	tether.Up()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tether.Run(ctx)
}
