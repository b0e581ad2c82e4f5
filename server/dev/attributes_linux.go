package dev

import "syscall"

// attributes give a process a group of its own, so that Ctrl-C reaches only us,
// and have the kernel kill it when we die, however we die.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
