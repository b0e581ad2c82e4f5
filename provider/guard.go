package provider

import (
	"context"
	"net"
)

type guardKey struct{}

// Guarded returns a context under which a Driver or Conn begins no call to the
// Provider once allowed gives an error. A context alone is not enough: after a
// pause of the process, a call may begin before the timer that ends the context.
func Guarded(ctx context.Context, allowed func() error) context.Context {
	return context.WithValue(ctx, guardKey{}, allowed)
}

// Allowed is asked before every single request to a Provider. Its error says
// why there must be none any more.
func Allowed(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if allowed, ok := ctx.Value(guardKey{}).(func() error); ok {
		return allowed()
	}
	return nil
}

// GuardConn returns a connection that sends nothing once ctx's guard gives an
// error, whatever has become of ctx itself. It is asked at the last moment, when
// the bytes are about to leave: a process can be paused between the decision to
// make a request and the request.
func GuardConn(ctx context.Context, c net.Conn) net.Conn {
	return guardedConn{c, context.WithoutCancel(ctx)}
}

type guardedConn struct {
	net.Conn
	guard context.Context
}

func (c guardedConn) Write(b []byte) (int, error) {
	if err := Allowed(c.guard); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// Close drops what is still on its way here, if it is not allowed any more: with
// another owner it must not arrive. What the network has taken cannot be called
// back.
func (c guardedConn) Close() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok && Allowed(c.guard) != nil {
		_ = tcp.SetLinger(0) // it is closed anyway
	}
	return c.Conn.Close()
}
