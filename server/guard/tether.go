package guard

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// tethered names, in the child's environment, the files that it speaks with its
// guard over: one that ends when the guard does, and one to tell the guard.
const tethered = "QUORATE_GUARD"

// leash is the guard's end.
type leash struct {
	alive  *os.File // nobody writes to it: it is open while we are
	news   *os.File
	childs []*os.File
	told   chan told
}

// told is what the child has said.
type told struct {
	leases []int64
	up     bool
}

// tie adds the two files to a command that is not started yet.
func tie(cmd *exec.Cmd) (*leash, error) {
	aliveThere, alive, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	news, newsThere, err := os.Pipe()
	if err != nil {
		_, _ = aliveThere.Close(), alive.Close()
		return nil, fmt.Errorf("guard: %w", err)
	}
	first := 3 + len(cmd.ExtraFiles)
	cmd.ExtraFiles = append(cmd.ExtraFiles, aliveThere, newsThere)
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d,%d", tethered, first, first+1))
	return &leash{alive: alive, news: news, childs: []*os.File{aliveThere, newsThere}, told: make(chan told, 1)}, nil
}

// started begins to listen. The child's ends are its own from now on.
func (l *leash) started() {
	for _, f := range l.childs {
		_ = f.Close()
	}
	go func() {
		var all told
		lines := bufio.NewScanner(l.news)
		for lines.Scan() {
			word, rest, _ := strings.Cut(lines.Text(), " ")
			lease, _ := strconv.ParseInt(rest, 10, 64)
			switch word {
			case "up":
				all.up = true
			case "holds":
				all.leases = append(all.leases, lease)
			case "gave":
				all.leases = slices.DeleteFunc(all.leases, func(l int64) bool { return l == lease })
			}
		}
		l.told <- all
	}()
}

// read returns what the child, which has ended, has said.
func (l *leash) read() ([]int64, bool) {
	all := <-l.told
	return all.leases, all.up
}

func (l *leash) close() { _, _ = l.alive.Close(), l.news.Close() }

// Tether is a child's end. A nil Tether is that of a server without a guard: all
// of its methods do nothing.
type Tether struct {
	alive *os.File
	mu    sync.Mutex
	news  io.Writer
}

// Tethered returns this process's tether to its guard; nil if it has none. It is
// to be called once.
func Tethered() (*Tether, error) {
	files := os.Getenv(tethered)
	if files == "" {
		return nil, nil
	}
	if err := os.Unsetenv(tethered); err != nil {
		return nil, err
	}
	var alive, news int
	if _, err := fmt.Sscanf(files, "%d,%d", &alive, &news); err != nil {
		return nil, fmt.Errorf("%s is for a guard and its server: %w", tethered, err)
	}
	syscall.CloseOnExec(alive)
	syscall.CloseOnExec(news)
	if err := syscall.SetNonblock(alive, true); err != nil { // so that Close ends a Read
		return nil, fmt.Errorf("%s: %w", tethered, err)
	}
	return &Tether{alive: os.NewFile(uintptr(alive), "guard"), news: os.NewFile(uintptr(news), "news")}, nil
}

// Run returns when the guard is gone, so that the server stops; or when ctx ends.
func (t *Tether) Run(ctx context.Context) {
	if t == nil {
		<-ctx.Done()
		return
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = t.alive.Read(make([]byte, 1)) // nothing is ever written
	}()
	select {
	case <-gone:
	case <-ctx.Done():
	}
	_ = t.alive.Close()
}

// Lease says that a lease is held, which the guard is to revoke when this process
// has ended, or that it is not any more. It is told before the lease is taken.
func (t *Tether) Lease(lease int64, held bool) {
	word := "gave"
	if held {
		word = "holds"
	}
	t.say("%s %d\n", word, lease)
}

// Up says that the server has come so far as to serve: if it ends now, it makes
// sense to start it again.
func (t *Tether) Up() { t.say("up\n") }

func (t *Tether) say(format string, args ...any) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = fmt.Fprintf(t.news, format, args...) // a guard that is gone needs to know nothing
}
