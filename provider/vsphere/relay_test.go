package vsphere_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/quorate/quorate/provider/vsphere/vspheresim"
)

// relayed is a TCP relay to a simulator that can fall silent, as a network does.
type relayed struct {
	listener net.Listener
	mu       sync.Mutex // held while silent
	wg       sync.WaitGroup
	connsMu  sync.Mutex
	conns    []net.Conn
}

func relay(t *testing.T, addr string, sim *vspheresim.Server) *relayed {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	must(t, err)
	u, err := url.Parse(sim.URL())
	must(t, err)
	r := &relayed{listener: l}
	r.wg.Go(func() { r.accept(u.Host) })
	t.Cleanup(func() {
		_ = l.Close()
		r.connsMu.Lock()
		for _, c := range r.conns {
			_ = c.Close()
		}
		r.connsMu.Unlock()
		r.wg.Wait()
	})
	return r
}

func (r *relayed) addr() string { return r.listener.Addr().String() }

func (r *relayed) silence() { r.mu.Lock() }

func (r *relayed) speak() { r.mu.Unlock() }

func (r *relayed) accept(to string) {
	for {
		in, err := r.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", to)
		if err != nil {
			_ = in.Close()
			continue
		}
		r.connsMu.Lock()
		r.conns = append(r.conns, in, out)
		r.connsMu.Unlock()
		r.wg.Go(func() { r.copy(in, out) })
		r.wg.Go(func() { r.copy(out, in) })
	}
}

func (r *relayed) copy(to, from net.Conn) {
	defer func() { _ = to.Close() }()
	_, _ = io.Copy(writer{r, to}, from)
}

type writer struct {
	r  *relayed
	to net.Conn
}

func (w writer) Write(b []byte) (int, error) {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	return w.to.Write(b)
}
