package server

import "golang.org/x/sys/unix"

// Monotonic is a clock that nobody sets and that all processes of the machine
// share.
func Monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // there is such a clock
	}
	return t.Nano()
}
