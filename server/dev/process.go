package dev

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
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

// broker is one broker's process, and the next one after it has died. We are its
// guard: with one of its own, its process would not be ours to tell of.
type broker struct {
	id, url string
	binary  string
	args    []string
	logFile string
}

// command is the broker's next process.
func (b *broker) command(log *os.File) *exec.Cmd {
	cmd := exec.Command(b.binary, b.args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = environment()
	cmd.SysProcAttr = attributes()
	return cmd
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
