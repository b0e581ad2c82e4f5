package remotepc

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
)

// probe says whether users could connect to addr: on if a connection is
// accepted, off if it is refused or nothing answers in time. It is unknown when
// the reason lies on this side: the name cannot be resolved, there is no
// network, or there are no sockets left.
func probe(ctx context.Context, addr string, timeout time.Duration) farm.HostState {
	if provider.Allowed(ctx) != nil {
		return farm.HostUnknown
	}
	d := net.Dialer{Timeout: timeout}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err == nil {
		_ = c.Close()
		return farm.HostOn
	}
	var name *net.DNSError
	if errors.As(err, &name) || ours(err) {
		return farm.HostUnknown
	}
	return farm.HostOff
}

// ours reports whether a connection failed for a reason of this machine's.
func ours(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.EADDRNOTAVAIL, syscall.ENETUNREACH, syscall.ENETDOWN,
		syscall.EACCES, syscall.EPERM,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
