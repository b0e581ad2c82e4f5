package etcdtest

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// Proxy stands between clients and a server and can be cut.
type Proxy struct {
	ln   net.Listener
	done sync.WaitGroup

	mu     sync.Mutex
	to     string // empty: nowhere
	frozen bool   // nothing passes
	muted  bool   // no answer passes
	thaw   *sync.Cond
	conns  map[net.Conn]bool
	closed bool
}

// NewProxy listens on a port of its own and forwards nowhere yet.
func NewProxy() (*Proxy, error) {
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	p := &Proxy{ln: ln, conns: map[net.Conn]bool{}}
	p.thaw = sync.NewCond(&p.mu)
	p.done.Go(p.accept)
	return p, nil
}

// Addr is where clients connect.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Forward sends new connections to an address from now on.
func (p *Proxy) Forward(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
}

// Cut closes all connections and every new one, until Forward.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = ""
	p.drop()
}

// Freeze holds all traffic back, on open connections and new ones, until it
// is called with false: the other end seems to hang.
func (p *Proxy) Freeze(frozen bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = frozen
	p.thaw.Broadcast()
}

// Mute holds back what servers answer, until it is called with false: what they
// are asked to do is done, but nobody hears of it.
func (p *Proxy) Mute(muted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.muted = muted
	p.thaw.Broadcast()
}

// Close ends everything.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed, p.frozen, p.muted = true, false, false
	p.drop()
	p.thaw.Broadcast()
	p.mu.Unlock()
	_ = p.ln.Close()
	p.done.Wait()
}

func (p *Proxy) drop() {
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
}

func (p *Proxy) accept() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.done.Go(func() { p.serve(c) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer p.forget(client)
	to, ok := p.admit(client)
	if !ok {
		return
	}
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", to)
	if err != nil {
		return
	}
	defer p.forget(server)
	if _, ok := p.admit(server); !ok {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client, func() bool { return p.frozen }) })
	both.Go(func() { p.copy(client, server, func() bool { return p.frozen || p.muted }) })
	both.Wait()
}

// admit notes a connection and returns where it leads.
func (p *Proxy) admit(c net.Conn) (to string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.to == "" || p.closed {
		return "", false
	}
	p.conns[c] = true
	return p.to, true
}

func (p *Proxy) forget(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

func (p *Proxy) copy(to, from net.Conn, held func() bool) {
	defer func() { _, _ = to.Close(), from.Close() }() // so that the other direction ends too
	buf := make([]byte, 32*1024)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			p.waitWhile(held)
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *Proxy) waitWhile(held func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for held() {
		p.thaw.Wait()
	}
}
