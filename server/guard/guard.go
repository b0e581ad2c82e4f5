// Package guard runs a server as a child process and, the moment that process
// has ended, gives up what it held.
//
// A broker that dies is replaced when its lease has run out, since nobody can
// tell a dead process from a slow one: nobody but its parent. That wait has
// returned is proof of death; so the guard, which holds nothing but the names of
// the child's leases, revokes them at once.
package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Config is what a guard needs to run.
type Config struct {
	// Command makes the next child. The guard adds the two files that it speaks
	// with it over.
	Command func() *exec.Cmd
	// Start starts it; nil: cmd.Start.
	Start func(*exec.Cmd) error
	// Revoke ends a lease; one that has ended already is no error.
	Revoke func(ctx context.Context, lease int64) error

	RestartAfter RestartAfter // doubled with each child that ends before it is Steady
	Steady       time.Duration
	StopTimeout  time.Duration // for a child that was told to stop; then it is killed

	// Signals are passed on to the child; nil: none.
	Signals <-chan os.Signal

	// Started and Ended tell what happens; nil: nobody.
	Started func(pid int)
	Ended   func(End)
	Log     *slog.Logger
}

// End is the end of a child.
type End struct {
	PID      int
	Err      error         // nil: it ended by itself, without complaint
	Signaled bool          // it was killed
	Up       bool          // it had come so far as to serve
	Next     time.Duration // until the next one is started; below 0: never
}

func (e End) String() string {
	if e.Err == nil {
		return "has stopped"
	}
	return "is dead: " + e.Err.Error()
}

const (
	longestWait   = 30 * time.Second       // between two children, unless RestartAfter is longer
	shortestWait  = 100 * time.Millisecond // after the second one
	revokeTimeout = time.Minute            // a lease has long run out then
	revokeTry     = time.Second
	revokePause   = 20 * time.Millisecond
)

// ErrStart is what Run ends with if the first child ended by itself before it
// served: the next one would do the same.
var ErrStart = errors.New("the server did not start")

// Run runs one child after the other until ctx ends: then it tells the child to
// stop, and returns when that has ended. Nothing it started is running then.
func Run(ctx context.Context, c Config) error {
	var revoking sync.WaitGroup
	defer revoking.Wait()
	wait := time.Duration(c.RestartAfter)
	served := false
	for ctx.Err() == nil {
		began := time.Now()
		leases, end, err := c.child(ctx)
		for _, lease := range leases {
			revoking.Go(func() { c.revoke(ctx, lease) })
		}
		if err != nil {
			return err
		}
		served = served || end.Up
		if ctx.Err() == nil && !served && !end.Signaled {
			return fmt.Errorf("%w: it %s", ErrStart, end)
		}
		if time.Since(began) >= c.Steady {
			wait = time.Duration(c.RestartAfter)
		}
		end.Next = wait
		if c.Ended != nil {
			c.Ended(end)
		}
		if ctx.Err() != nil {
			return end.Err
		}
		if c.RestartAfter < 0 {
			<-ctx.Done()
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		if time.Since(began) < c.Steady {
			wait = max(wait, min(max(2*wait, shortestWait), longestWait))
		}
	}
	return nil
}

// child runs one child to its end, and returns the leases that it left behind.
func (c Config) child(ctx context.Context) (leases []int64, end End, err error) {
	cmd := c.Command()
	l, err := tie(cmd)
	if err != nil {
		return nil, end, err
	}
	defer l.close()
	start := c.Start
	if start == nil {
		start = (*exec.Cmd).Start
	}
	err = start(cmd)
	l.started()
	if err != nil {
		return nil, end, fmt.Errorf("starting the server: %w", err)
	}
	if c.Started != nil {
		c.Started(cmd.Process.Pid)
	}
	ended := make(chan struct{})
	var told sync.WaitGroup
	told.Go(func() { c.signal(ctx, cmd.Process, ended) })
	end = End{PID: cmd.Process.Pid, Err: cmd.Wait()}
	close(ended)
	told.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok {
		end.Signaled = status.Signaled()
	}
	leases, end.Up = l.read()
	return leases, end, nil
}

// signal tells the child what the guard is told, until it has ended. Once it was
// told to stop, whoever insists, or its time, kills it.
func (c Config) signal(ctx context.Context, child *os.Process, ended <-chan struct{}) {
	stop := ctx.Done()
	var late <-chan time.Time
	insisted := -1 // the first signal to stop is the one that ends ctx
	for {
		select {
		case <-ended:
			return
		case <-stop:
			_ = child.Signal(syscall.SIGTERM)
			stop, late = nil, time.After(c.StopTimeout)
		case <-late:
			c.Log.Warn("the server does not stop; it is killed", "pid", child.Pid)
			_ = child.Kill()
			late = nil
		case s := <-c.Signals:
			if s != syscall.SIGTERM && s != os.Interrupt && s != syscall.SIGHUP {
				_ = child.Signal(s)
			} else if insisted++; insisted > 0 {
				_ = child.Kill()
			}
		}
	}
}

// revoke tries until the lease is gone, or must be. It does not keep a guard that
// is to stop for long.
func (c Config) revoke(ctx context.Context, lease int64) {
	stop := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	defer context.AfterFunc(stop, func() { time.AfterFunc(revokeTry, cancel) })()
	for {
		try, done := context.WithTimeout(ctx, revokeTry)
		err := c.Revoke(try, lease)
		done()
		if err == nil {
			return
		}
		c.Log.Warn("a dead server's lease is not revoked yet; else it runs out", "err", err)
		select {
		case <-time.After(revokePause):
		case <-ctx.Done():
			return
		}
	}
}
