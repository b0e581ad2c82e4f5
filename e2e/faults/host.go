package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// host is a broker's machine, with a guard and the server under it.
type host struct {
	*node
	id     string
	binary string
	args   []string
	log    *os.File

	mu    sync.Mutex
	guard *process
	lost  bool // on purpose
}

func (h *host) start() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.launch()
}

func (h *host) launch() (err error) {
	h.guard, err = start(h.node, h.log, h.binary, h.args...)
	h.lost = false
	return err
}

// server is the process that serves; 0: there is none at the moment.
func (h *host) server() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.child()
}

func (h *host) child() int {
	if h.guard.ended() {
		return 0
	}
	for _, pid := range children(h.guard.pid()) {
		return pid
	}
	return 0
}

// signal tells the server something, and the guard too if it is all of the host.
func (h *host) signal(s syscall.Signal, all bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	child := h.child()
	if all && !h.guard.ended() {
		h.guard.signal(s)
	}
	if child != 0 {
		_ = syscall.Kill(child, s)
	}
}

// lose ends everything on the host at once.
func (h *host) lose() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost = true
	if h.guard.ended() {
		return
	}
	child := h.child()
	h.guard.signal(syscall.SIGKILL)
	if child != 0 {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	<-h.guard.done
	for child != 0 && running(child) {
		time.Sleep(time.Millisecond) // it is not our child: nothing tells of its end
	}
}

// whole sees to it that the host is as it should be: nobody paused, a guard, and
// a server under it, which one that has died often is not given soon.
func (h *host) whole(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.guard.ended() {
		h.guard.signal(syscall.SIGCONT)
		if child := h.child(); child != 0 {
			return syscall.Kill(child, syscall.SIGCONT)
		}
		if child := h.await(ctx, 500*time.Millisecond); child != 0 {
			return nil
		}
		h.guard.signal(syscall.SIGTERM)
		<-h.guard.done
	}
	return h.launch()
}

// await waits for the guard to start a server.
func (h *host) await(ctx context.Context, d time.Duration) int {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for ctx.Err() == nil && !h.guard.ended() {
		if child := h.child(); child != 0 {
			return child
		}
		time.Sleep(5 * time.Millisecond)
	}
	return 0
}

// stop tells the guard to stop; it must, and take its server with it.
func (h *host) stop() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.guard.ended() {
		return nil
	}
	child := h.child()
	h.guard.signal(syscall.SIGTERM)
	select {
	case <-h.guard.done:
	case <-time.After(30 * time.Second):
		h.guard.kill()
		if child != 0 {
			_ = syscall.Kill(child, syscall.SIGKILL)
		}
		return fmt.Errorf("%s did not stop in 30 s", h.id)
	}
	if child != 0 && running(child) {
		return fmt.Errorf("%s: the server goes on without its guard", h.id)
	}
	return nil
}

// member is a machine of etcd.
type member struct {
	*node
	binary string
	args   []string
	log    *os.File

	mu   sync.Mutex
	etcd *process
}

func (m *member) start() (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.etcd.ended() {
		m.etcd, err = start(m.node, m.log, m.binary, m.args...)
	}
	return err
}

func (m *member) kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.etcd.kill()
}

func (m *member) signal(s syscall.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.etcd.ended() {
		m.etcd.signal(s)
	}
}

func (m *member) url() string { return "http://" + m.ip + ":2379" }

func newLog(dir, name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// all calls f for each and joins the errors.
func all[T any](of []T, f func(T) error) error {
	var errs []error
	for _, one := range of {
		errs = append(errs, f(one))
	}
	return errors.Join(errs...)
}
