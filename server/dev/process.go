package dev

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// stopTimeout is how long a broker may take to stop before it is killed.
const stopTimeout = 5 * time.Second

// starter starts processes from one thread that lives as long as it runs: the
// kernel kills our processes when the *thread* that started them ends, see
// attributes.
type starter chan func()

func (s starter) Run(ctx context.Context) {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	for {
		select {
		case start := <-s:
			start()
		case <-ctx.Done():
			return
		}
	}
}

func (s starter) start(cmd *exec.Cmd) error {
	done := make(chan error, 1)
	s <- func() { done <- cmd.Start() }
	return <-done
}

// broker is one broker's process, and the next one after it has died.
type broker struct {
	id, url string
	binary  string
	args    []string
	logFile string
}

// exit is the end of a process.
type exit struct {
	pid      int
	err      error // nil: it ended by itself, without complaint
	signaled bool
}

func (e exit) String() string {
	if e.err == nil {
		return "has stopped"
	}
	return "is dead: " + e.err.Error()
}

// run starts the process, tells its pid and blocks until it has ended. When ctx
// ends the process gets SIGTERM and, if that does not help, SIGKILL.
func (b *broker) run(ctx context.Context, s starter, started func(pid int)) (exit, error) {
	log, err := os.OpenFile(b.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return exit{}, fmt.Errorf("log of %s: %w", b.id, err)
	}
	defer func() { _ = log.Close() }()

	cmd := exec.CommandContext(ctx, b.binary, b.args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = environment()
	cmd.SysProcAttr = attributes()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if err := s.start(cmd); err != nil {
		return exit{}, fmt.Errorf("starting %s: %w", b.id, err)
	}
	started(cmd.Process.Pid)
	e := exit{pid: cmd.Process.Pid, err: cmd.Wait()}
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok {
		e.signaled = status.Signaled()
	}
	return e, nil
}

// environment is ours without the settings that are meant for us.
func environment() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "QUORATE_") {
			env = append(env, e)
		}
	}
	return env
}

// tail is the end of the broker's log, for a person who wonders.
func (b *broker) tail() string {
	const most = 2000
	content, err := os.ReadFile(b.logFile)
	if err != nil {
		return err.Error()
	}
	if len(content) > most {
		content = content[len(content)-most:]
		if _, whole, ok := strings.Cut(string(content), "\n"); ok {
			content = []byte(whole)
		}
	}
	return strings.TrimSpace(string(content))
}
