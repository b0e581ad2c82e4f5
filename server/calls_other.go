//go:build !linux

package server

import "time"

// Monotonic is as good as the wall clock here.
func Monotonic() int64 { return time.Now().UnixNano() }
