//go:build !linux

package dev

import "syscall"

// attributes give a process a group of its own, so that Ctrl-C reaches only us.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
