package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/quorate/quorate/provider/vsphere/vspheresim"
	"github.com/quorate/quorate/server"
	"github.com/quorate/quorate/server/client"
)

// etcdEnv makes a run of this test's binary a member of etcd, in a process of
// its own that can be killed.
const etcdEnv = "QUORATE_E2E_ETCD"

// runAsEtcd runs etcd, if that is what this process is for, until it is killed.
func runAsEtcd() bool {
	dir := os.Getenv(etcdEnv)
	if dir == "" {
		return false
	}
	parse := func(port string) []url.URL {
		return []url.URL{{Scheme: "http", Host: "127.0.0.1:" + port}}
	}
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = "one", dir
	cfg.ListenClientUrls, cfg.ListenPeerUrls = parse(os.Args[1]), parse(os.Args[2])
	cfg.AdvertiseClientUrls, cfg.AdvertisePeerUrls = cfg.ListenClientUrls, cfg.ListenPeerUrls
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.TickMs, cfg.ElectionMs = 50, 500
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd:", err)
		os.Exit(1)
	}
	ended := make(chan struct{})
	go func() { // with the test, however that ends
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	select {
	case err := <-e.Err():
		fmt.Fprintln(os.Stderr, "etcd:", err)
	case <-ended:
	}
	return true
}

// etcd is a member in a process of its own.
type etcd struct {
	t    *testing.T
	dir  string
	port int
	cmd  *exec.Cmd
}

func newEtcd(t *testing.T) *etcd {
	e := &etcd{t: t, dir: t.TempDir(), port: freePorts(t, 2)}
	t.Cleanup(e.kill)
	return e
}

func (e *etcd) url() string     { return "http://127.0.0.1:" + strconv.Itoa(e.port) }
func (e *etcd) peerURL() string { return "http://127.0.0.1:" + strconv.Itoa(e.port+1) }

func (e *etcd) start() {
	e.t.Helper()
	e.cmd = exec.Command(os.Args[0], strconv.Itoa(e.port), strconv.Itoa(e.port+1))
	e.cmd.Env = append(os.Environ(), etcdEnv+"="+e.dir)
	e.cmd.Stderr = os.Stderr
	if _, err := e.cmd.StdinPipe(); err != nil {
		e.t.Fatal(err)
	}
	if err := e.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
}

// kill ends it as a power cut would.
func (e *etcd) kill() {
	if e.cmd == nil {
		return
	}
	_ = e.cmd.Process.Kill()
	_ = e.cmd.Wait()
	e.cmd = nil
}

func TestAServerOutlivesEtcd(t *testing.T) {
	const token = "qr_a-token-for-this-test-only"
	const ttl = time.Second
	dir := t.TempDir()
	tokenFile, keyFile := filepath.Join(dir, "token"), filepath.Join(dir, "key")
	if err := os.WriteFile(tokenFile, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := server.WriteSecretKeyFile(keyFile); err != nil {
		t.Fatal(err)
	}
	sim, err := vspheresim.Start(vspheresim.Config{Hosts: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	agents := newGate(t, strings.TrimSuffix(strings.TrimPrefix(sim.URL(), "https://"), "/sdk"))
	store := newEtcd(t)
	base := "http://127.0.0.1:" + port(t, 1)
	serve := func() *process {
		return start(t, "serve", "--no-guard", "--site=hq", "--broker=cb-1", "--listen="+base[len("http://"):], "--etcd="+store.url(),
			"--etcd-election=500ms", "--lease-ttl="+ttl.String(), "--root-token-file="+tokenFile, "--secret-key-file="+keyFile)
	}
	api := client.New(token, base)
	defer api.Close()
	await := func(what string, cond func(client.State) bool) {
		t.Helper()
		if _, err := api.Await(within(t, patience), "hq", what, cond); err != nil {
			t.Fatal(err)
		}
	}

	// etcd is not there yet: the server comes up all the same, and says so.
	s := serve()
	s.await("serving")
	if status := get(t, base+"/healthz"); status != http.StatusOK {
		t.Errorf("healthz answers %d", status)
	}
	if status := get(t, base+"/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("readyz answers %d without etcd", status)
	}
	unavailable(t, api)

	// It comes, and all goes well without any help.
	store.start()
	await("the broker is online", func(s client.State) bool { return s.Brokers["cb-1"].Status.State == "online" })
	if status := get(t, base+"/readyz"); status != http.StatusOK {
		t.Errorf("readyz answers %d with etcd", status)
	}
	body := map[string]any{
		"id": "vc-1", "type": "vsphere", "address": "https://" + agents.Addr().String(),
		"credentials": map[string]any{"username": sim.Username(), "password": sim.Password()},
		"options":     map[string]any{"caCertificate": sim.CertificatePEM()},
	}
	if err := api.Do(within(t, patience), "POST", "/sites/hq/providers", body, nil); err != nil {
		t.Fatal(err)
	}
	await("vc-1 is connected", allConnected)

	// It goes away: the server says 503 soon, and lets go of what it owns
	// before its lease can have ended.
	begin := time.Now()
	store.kill()
	agents.awaitNone(t, ttl)
	t.Logf("vc-1 was let go %v after etcd was killed", time.Since(begin).Round(time.Millisecond))
	unavailable(t, api)

	// It is back: so is everything else.
	store.start()
	await("vc-1 is connected again", allConnected)

	// It goes away, and the server is stopped.
	store.kill()
	agents.awaitNone(t, ttl)
	if took := s.stop(syscall.SIGTERM); took > 1500*time.Millisecond {
		t.Errorf("without etcd it took %v to stop", took)
	}
}

// gate stands in front of a Provider, to see when an agent has let go of it: a
// Provider itself may notice much later.
type gate struct {
	net.Listener
	to      string
	open    atomic.Int64
	changed chan struct{}
}

func newGate(t *testing.T, to string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	g := &gate{Listener: l, to: to, changed: make(chan struct{}, 1)}
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			g.open.Add(1)
			go g.pass(from)
		}
	}()
	return g
}

func (g *gate) pass(from net.Conn) {
	to, err := net.Dial("tcp", g.to)
	if err == nil {
		go func() { _, _ = io.Copy(from, to); _ = from.Close() }()
		_, _ = io.Copy(to, from) // until the agent has closed
		_ = to.Close()
	}
	_ = from.Close()
	g.open.Add(-1)
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// awaitNone blocks until nobody is connected.
func (g *gate) awaitNone(t *testing.T, d time.Duration) {
	t.Helper()
	for deadline := time.After(d); g.open.Load() > 0; {
		select {
		case <-g.changed:
		case <-deadline:
			t.Fatalf("the broker did not let go of vc-1 within %v", d)
		}
	}
}

// unavailable fails unless the API says 503 within the limit of a request.
func unavailable(t *testing.T, api *client.Client) {
	t.Helper()
	begin := time.Now()
	err := api.Do(within(t, patience), "GET", "/sites", nil, nil)
	if !client.IsStatus(err, http.StatusServiceUnavailable) {
		t.Errorf("without etcd the API answers %v", err)
	}
	if took := time.Since(begin); took > 3500*time.Millisecond {
		t.Errorf("it took %v to say so", took)
	}
}

func get(t *testing.T, url string) (status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

func port(t *testing.T, n int) string { return strconv.Itoa(freePorts(t, n)) }
