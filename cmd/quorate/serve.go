package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/quorate/quorate/server"
	"github.com/quorate/quorate/server/guard"
)

type serveCommand struct {
	server.Config `embed:""`
	guardConfig   `embed:""`
}

type guardConfig struct {
	NoGuard      bool               `name:"no-guard" help:"Serve in this very process. By default a small parent process guards the one that serves: when that dies, it is replaced at once, not only when its lease has run out, and started again."`
	RestartAfter guard.RestartAfter `name:"restart-after" help:"How long after its death the guard starts the server again, or never; longer each time if it keeps dying, up to 30s." default:"1s"`
}

func (c *serveCommand) Run(ctx context.Context, to streams) error {
	p := server.Process{Version: version, Stdout: to.out, Stderr: to.err}
	tether, err := guard.Tethered()
	if err != nil {
		return err
	}
	switch {
	case tether != nil:
		// Who signals the group, or everything in a container, signals the guard
		// too: that is one order to stop, not two.
		signal.Notify(make(chan os.Signal, 1), stopping()...)
		p.Tether = tether
	case !c.NoGuard:
		return c.guard(ctx, p)
	}
	return server.Listen(ctx, c.Config, p)
}

// guard runs this very command once more, as the guard's child.
func (c *serveCommand) guard(ctx context.Context, p server.Process) error {
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program's file: %w", err)
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, append(stopping(), syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)...)
	defer signal.Stop(signals)
	command := func() *exec.Cmd {
		cmd := exec.Command(binary, os.Args[1:]...)
		cmd.Stdout, cmd.Stderr = p.Stdout, p.Stderr
		// A group of its own: what a terminal signals reaches the guard only.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		return cmd
	}
	return server.Guard(ctx, c.Config, command, c.RestartAfter, signals, p)
}
