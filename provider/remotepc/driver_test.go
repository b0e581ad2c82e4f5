package remotepc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"reflect"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/provider"
	"github.com/quorate/quorate/provider/providertest"
	"github.com/quorate/quorate/provider/remotepc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDriver(t *testing.T) {
	providertest.Run(t, providertest.Fixture{
		Driver: remotepc.Driver{},
		Start:  peer,
		Within: 4 * time.Second,
	})
}

func peer(t *testing.T) providertest.Peer {
	pcs := []*pc{newPC(t), newPC(t), newPC(t)}
	on := true
	return providertest.Peer{
		Target: target(t, pcs...),
		Change: func() (farm.HostID, farm.HostState) {
			if on = !on; on {
				pcs[0].turnOn()
				return "pc-0", farm.HostOn
			}
			pcs[0].turnOff()
			return "pc-0", farm.HostOff
		},
	}
}

func TestInventory(t *testing.T) {
	on, off := newPC(t), newPC(t)
	off.turnOff()
	tg := with(t, []map[string]string{
		{"id": "a", "name": "Reception", "address": on.addr},
		{"id": "b", "address": off.addr},
		{"id": "c", "address": "no-such-host.invalid"},
	})
	conn, err := remotepc.Driver{}.Connect(t.Context(), tg)
	must(t, err)
	n, err := conn.Next(t.Context())
	must(t, err)
	must(t, conn.Close(t.Context()))
	want := []farm.Host{
		{ID: "a", Name: "Reception", State: farm.HostOn, Addresses: []string{on.addr}},
		{ID: "b", Name: "b", State: farm.HostOff, Addresses: []string{off.addr}},
		{ID: "c", Name: "c", State: farm.HostUnknown, Addresses: []string{"no-such-host.invalid"}},
	}
	if !n.Full || !reflect.DeepEqual(n.Hosts, want) {
		t.Fatalf("inventory is %+v, want %+v", n, want)
	}
}

// More PCs than are checked at once are all checked, and all in one piece.
func TestALargePool(t *testing.T) {
	p := newPC(t)
	var machines []map[string]string
	for i := range 300 {
		machines = append(machines, map[string]string{"id": fmt.Sprint(i), "address": p.addr})
	}
	conn, err := remotepc.Driver{}.Connect(t.Context(), with(t, machines))
	must(t, err)
	n, err := conn.Next(t.Context())
	must(t, err)
	must(t, conn.Close(t.Context()))
	if len(n.Hosts) != 300 {
		t.Fatalf("there are %d Hosts", len(n.Hosts))
	}
	for _, h := range n.Hosts {
		if h.State != farm.HostOn {
			t.Errorf("%s is %s", h.ID, h.State)
		}
	}
}

// A Next that waits for its next round ends with the Conn, not with the wait.
func TestCloseEndsALongWait(t *testing.T) {
	p := newPC(t)
	options, err := json.Marshal(map[string]any{
		"machines": []map[string]string{{"id": "a", "address": p.addr}}, "interval": "1h",
	})
	must(t, err)
	conn, err := remotepc.Driver{}.Connect(t.Context(), provider.Target{Options: options})
	must(t, err)
	_, err = conn.Next(t.Context())
	must(t, err)
	result := make(chan error, 1)
	go func() {
		_, err := conn.Next(t.Context())
		result <- err
	}()
	must(t, conn.Close(t.Context()))
	select {
	case err := <-result:
		if !errors.Is(err, provider.ErrConnectionFailed) {
			t.Fatalf("next says %v", err)
		}
	case <-time.After(time.Second):
		t.Fatal("next is still running")
	}
}

func target(t *testing.T, pcs ...*pc) provider.Target {
	t.Helper()
	var machines []map[string]string
	for i, p := range pcs {
		machines = append(machines, map[string]string{"id": fmt.Sprintf("pc-%d", i), "address": p.addr})
	}
	return with(t, machines)
}

func with(t *testing.T, machines []map[string]string) provider.Target {
	t.Helper()
	options, err := json.Marshal(map[string]any{"machines": machines, "interval": "100ms", "timeout": "1s"})
	must(t, err)
	return provider.Target{Options: options}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pc is a PC, as far as TCP sees it. It keeps its address while it is off.
type pc struct {
	t    *testing.T
	addr string
	mu   sync.Mutex
	l    net.Listener
	done chan struct{}
}

func newPC(t *testing.T) *pc {
	t.Helper()
	p := &pc{t: t, addr: "127.0.0.1:0"}
	p.turnOn()
	p.addr = p.l.Addr().String()
	t.Cleanup(p.turnOff)
	return p
}

func (p *pc) turnOn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, err := net.Listen("tcp", p.addr)
	must(p.t, err)
	p.l, p.done = l, make(chan struct{})
	go func() {
		defer close(p.done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
}

func (p *pc) turnOff() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.l != nil {
		_ = p.l.Close()
		<-p.done
		p.l = nil
	}
}
