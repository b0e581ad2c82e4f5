package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a server in this process.
type running struct {
	t     *testing.T
	addr  string // that it listens at
	base  string
	http  *http.Client
	stop  context.CancelFunc
	ended chan error
}

// run starts a server over the store; the test stops it if it is left running.
func run(t *testing.T, cfg Config, st store.Store) *running {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	cfg.RootTokenFile = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(cfg.RootTokenFile, []byte(someToken), 0o600); err != nil {
		t.Fatal(err)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", cfg.Listen)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{t: t, addr: ln.Addr().String(), base: cfg.advertised(ln.Addr()), stop: stop, ended: make(chan error, 1),
		http: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}}
	log := newLogger(cfg, io.Discard)
	go func() { r.ended <- serve(ctx, cfg, ln, st, Process{Version: "test", Stdout: io.Discard}, log) }()
	t.Cleanup(func() {
		r.http.CloseIdleConnections()
		stop()
	})
	return r
}

// wait returns how the server ended, and how long that took.
func (r *running) wait() (time.Duration, error) {
	r.t.Helper()
	begin := time.Now()
	select {
	case err := <-r.ended:
		return time.Since(begin), err
	case <-time.After(20 * time.Second):
		r.t.Fatal("the server does not stop")
		return 0, nil
	}
}

func (r *running) get(path, token string) (*http.Response, string) {
	r.t.Helper()
	response := r.open(path, token)
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response, string(content)
}

func (r *running) open(path, token string) *http.Response {
	r.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, r.base+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := r.http.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	return response
}

func TestAServerAnswersWhatItPromises(t *testing.T) {
	st := mem.New()
	r := run(t, DefaultConfig(), st)
	if _, err := st.Wait(t.Context(), st.Latest().Revision); err != nil { // for the token
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, token string
		status      int
		kind, has   string
	}{
		{"/", "", 200, "text/html", `href="/swagger/"`},
		{"/healthz", "", 200, "", ""},
		{"/readyz", "", 200, "", ""},
		{"/metrics", "", 200, "text/plain", "quorate_build_info"},
		{"/openapi.json", "", 200, "application/json", `"openapi"`},
		{"/openapi.yaml", "", 200, "yaml", "openapi:"},
		{"/swagger/", "", 200, "text/html", "swagger"},
		{"/api/v1/sites", "", 401, "application/problem+json", "unauthorized"},
		{"/api/v1/sites", "not-this-farms-token", 401, "application/problem+json", "unauthorized"},
		{"/api/v1/sites", someToken, 200, "application/json", `"items"`},
		{"/api/v1/provider-types", someToken, 200, "application/json", `"vsphere"`},
		{"/api/v1/provider-types", someToken, 200, "application/json", `"remotepc"`},
		{"/nowhere", "", 404, "text/html", "nothing here"},
		{"/api/v1/nowhere", someToken, 404, "application/problem+json", "not-found"},
	} {
		response, content := r.get(c.path, c.token)
		if response.StatusCode != c.status || !strings.Contains(response.Header.Get("Content-Type"), c.kind) || !strings.Contains(content, c.has) {
			t.Errorf("%s: %s, %s:\n%.300s", c.path, response.Status, response.Header.Get("Content-Type"), content)
		}
	}
	_, metrics := r.get("/metrics", "")
	for _, series := range []string{
		`quorate_http_requests_total{code="200",method="GET",route="/api/v1/sites"} 1`,
		`quorate_http_requests_total{code="404",method="GET",route="none"} 2`,
		`quorate_http_request_duration_seconds_count{method="GET",route="/api/v1/sites"} 1`, // who has no token is not routed
		"go_goroutines", "process_open_fds",
	} {
		if !strings.Contains(metrics, series) {
			t.Errorf("no %s in the metrics", series)
		}
	}
	r.stop()
	if _, err := r.wait(); err != nil {
		t.Error(err)
	}
}

func TestAStopEndsWatchesAndHandsOverFirst(t *testing.T) {
	st := mem.New()
	cfg := DefaultConfig()
	cfg.Site, cfg.Broker = "hq", "cb-1"
	r := run(t, cfg, st)
	awaitPresence(t, st, 1)

	watch := r.open("/api/v1/sites/hq/watch", someToken)
	defer func() { _ = watch.Body.Close() }()
	lines := bufio.NewScanner(watch.Body)
	if watch.StatusCode != http.StatusOK || !lines.Scan() {
		t.Fatalf("watch: %s, %v", watch.Status, lines.Err())
	}
	r.stop()
	if took, err := r.wait(); err != nil || took > drainTimeout {
		t.Errorf("stopped after %v: %v", took, err)
	}
	for lines.Scan() { // to its end, which has come
	}
	if n := len(st.Latest().Sites["hq"].Presence); n != 0 {
		t.Error("the broker's presence remains")
	}
}

func TestAServerStopsAtOnceWhileStorageIsAway(t *testing.T) {
	st := mem.New()
	cfg := DefaultConfig()
	cfg.Site, cfg.Broker = "hq", "cb-1"
	st.Down(true)
	r := run(t, cfg, st)
	if response, _ := r.get("/readyz", ""); response.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("readyz: %s", response.Status)
	}
	if response, _ := r.get("/healthz", ""); response.StatusCode != http.StatusOK {
		t.Errorf("healthz: %s", response.Status)
	}
	r.stop()
	if took, err := r.wait(); err != nil || took > time.Second {
		t.Errorf("stopped after %v: %v", took, err)
	}
}

func TestAServerWhoseBrokerIsOnlineElsewhereIsNotReady(t *testing.T) {
	st := mem.New()
	cfg := DefaultConfig()
	cfg.Site, cfg.Broker, cfg.Advertise = "hq", "cb-1", "http://first:8080"
	first := run(t, cfg, st)
	awaitPresence(t, st, 1)
	first.base = "http://" + first.addr
	if response, content := first.get("/readyz", ""); response.StatusCode != http.StatusOK {
		t.Errorf("the first: %s\n%s", response.Status, content)
	}
	cfg.Advertise = ""
	second := run(t, cfg, st)
	response, content := second.get("/readyz", "")
	if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(content, `"broker","ok":false,"detail":"The name of broker cb-1 is in use by another process, at http://first:8080 since `) {
		t.Errorf("the second: %s\n%s", response.Status, content)
	}
	first.stop()
	if _, err := first.wait(); err != nil {
		t.Error(err)
	}
	within := time.After(10 * time.Second)
	for {
		response, content := second.get("/readyz", "")
		if response.StatusCode == http.StatusOK {
			break
		}
		select {
		case <-within:
			t.Fatalf("the first is gone, and the second: %s\n%s", response.Status, content)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func TestAServerWhoseFarmIsGoneSaysSoAndBeginsNoNewOne(t *testing.T) {
	st := mem.New()
	cfg := DefaultConfig()
	cfg.Site, cfg.Broker = "hq", "cb-1"
	r := run(t, cfg, st)
	awaitPresence(t, st, 1)

	back := st.Replace()
	for _, c := range []struct {
		path, token, has string
	}{
		{"/readyz", "", "Another memory is in the place of this server's."},
		{"/api/v1/sites", someToken, "other-farm"},
		{"/api/v1/sites", "whose-token-nobody-can-know-now", "other-farm"},
	} {
		response, content := r.get(c.path, c.token)
		if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(content, c.has) {
			t.Errorf("%s: %s\n%s", c.path, response.Status, content)
		}
	}
	if v := st.Another().Latest(); len(v.Sites)+len(v.Tokens) != 0 {
		t.Errorf("it has begun a new Farm: %+v", v)
	}

	back()
	awaitPresence(t, st, 1)
	for _, path := range []string{"/readyz", "/api/v1/sites"} {
		if response, content := r.get(path, someToken); response.StatusCode != http.StatusOK {
			t.Errorf("when it is back, %s: %s\n%s", path, response.Status, content)
		}
	}
}

func TestAServerWithAnotherFarmsTokenEndsAndSaysWhy(t *testing.T) {
	st := mem.New()
	if _, err := st.CreateRootToken(t.Context(), hashToken("another-farms-root-token"), store.Token{}); err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.Site, cfg.Broker = "hq", "cb-1"
	r := run(t, cfg, st)
	if _, err := r.wait(); err == nil || !strings.Contains(err.Error(), "--root-token-file") {
		t.Errorf("got %v", err)
	}
	if st.Latest().Sites["hq"] != nil {
		t.Error("its broker has joined")
	}
}

func TestAServerWithAnotherSecretKeyEndsAlsoWhileThereIsNoSecret(t *testing.T) {
	st := mem.New()
	cfg := DefaultConfig()
	cfg.SecretKeyFile = "its content is the store's"
	cfg.Site, cfg.Broker = "hq", "cb-1"
	run(t, cfg, st)
	awaitPresence(t, st, 1)

	cfg.Broker = "cb-2"
	r := run(t, cfg, st.AnotherWithKey("another"))
	if _, err := r.wait(); err == nil || !strings.Contains(err.Error(), "--secret-key-file: it is not the key of this Farm") {
		t.Errorf("got %v", err)
	}
	if p := st.Latest().Sites["hq"]; p.Brokers["cb-2"].Revision != 0 {
		t.Error("its broker has joined")
	}
}

func TestABrokerWithoutAKeyDoesNotServeAFarmThatHasOne(t *testing.T) {
	st := mem.New()
	if err := st.AnotherWithKey("the Farm's").CheckSecretKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	api := run(t, DefaultConfig(), st)
	cfg := DefaultConfig()
	cfg.Site, cfg.Broker = "hq", "cb-1"
	if _, err := run(t, cfg, st).wait(); !errors.Is(err, errNoSecretKey) {
		t.Errorf("the broker: %v", err)
	}
	if response, _ := api.get("/readyz", ""); response.StatusCode != http.StatusOK {
		t.Errorf("a server that is no broker: %s", response.Status)
	}
}

func TestABrokerWithoutAKeyStopsOnceTheFarmHasOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &keyless{Store: mem.New()}
		ended := make(chan error, 1)
		go func() { ended <- untilKeyed(t.Context(), st, silent) }()
		time.Sleep(time.Minute)
		select {
		case err := <-ended:
			t.Fatalf("while it has none: %v", err)
		default:
		}
		st.farmHasKey.Store(true)
		time.Sleep(2 * keyEvery)
		if err := <-ended; !errors.Is(err, errNoSecretKey) {
			t.Errorf("got %v", err)
		}
	})
}

// keyless is a store without a key, whose Farm may have one.
type keyless struct {
	store.Store
	farmHasKey atomic.Bool
}

func (k *keyless) CheckSecretKey(context.Context) error {
	if k.farmHasKey.Load() {
		return store.ErrSecretKey
	}
	return nil
}

func TestTheSecretKeyIsCheckedOnceStorageAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		if err := st.CheckSecretKey(t.Context()); err != nil {
			t.Fatal(err)
		}
		other := st.AnotherWithKey("another")
		other.Down(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := checkSecretKey(ctx, "key", other, silent); err != nil || ctx.Err() == nil {
			t.Errorf("while storage is away: %v, %v", err, ctx.Err())
		}
		other.Down(false)
		if err := checkSecretKey(t.Context(), "key", other, silent); !errors.Is(err, errOtherSecretKey) {
			t.Errorf("got %v", err)
		}
	})
}

// foreign is a Farm that a newer version has written.
type foreign struct{ store.Store }

func (foreign) Run(context.Context) error { return store.ErrFormat }

func TestAServerDoesNotServeANewerVersionsFarm(t *testing.T) {
	r := run(t, DefaultConfig(), foreign{mem.New()})
	if _, err := r.wait(); !errors.Is(err, store.ErrFormat) {
		t.Errorf("got %v", err)
	}
}

func TestAServerSpeaksHTTPS(t *testing.T) {
	cfg := DefaultConfig()
	cfg.TLSCert, cfg.TLSKey = certificate(t)
	r := run(t, cfg, mem.New())
	response, _ := r.get("/healthz", "")
	if response.TLS == nil || response.StatusCode != http.StatusOK {
		t.Errorf("%s, TLS %v", response.Status, response.TLS)
	}
	if _, metrics := r.get("/metrics", ""); !strings.Contains(metrics, `quorate_certificate_expiry_timestamp_seconds{setting="tls-cert"} 1.`) {
		t.Error("the certificate's end is no metric")
	}
	r.stop()
	if _, err := r.wait(); err != nil {
		t.Error(err)
	}
}

func TestServeRefusesFilesThatCannotBeUsed(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for flag, change := range map[string]func(*Config){
		"--root-token-file": func(c *Config) { c.RootTokenFile = none },
		"--secret-key-file": func(c *Config) { c.SecretKeyFile = none },
		"--tls-cert":        func(c *Config) { c.TLSCert, c.TLSKey = none, none },
		"--etcd-ca":         func(c *Config) { c.EtcdCA = none },
		"--etcd-cert":       func(c *Config) { c.EtcdCert, c.EtcdKey = none, none },
	} {
		cfg := DefaultConfig()
		cfg.Listen = "127.0.0.1:0"
		change(&cfg)
		err := Listen(t.Context(), cfg, Process{Stdout: io.Discard, Stderr: io.Discard})
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

func TestASecretKeyIsNeverReplaced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := WriteSecretKeyFile(file); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteSecretKeyFile(file); err == nil {
		t.Error("it was replaced")
	}
	if again, _ := os.ReadFile(file); !bytes.Equal(first, again) {
		t.Error("it has changed")
	}
	if sealer, err := openSealer(file); err != nil || sealer == nil {
		t.Errorf("it cannot be used: %v", err)
	}
}

func awaitPresence(t *testing.T, st store.Store, brokers int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for after := farm.Revision(0); ; {
		view, err := st.Wait(ctx, after)
		if err != nil {
			t.Fatal(err)
		}
		if p := view.Sites["hq"]; p != nil && len(p.Presence) == brokers {
			return
		}
		after = view.Revision
	}
}

// certificate makes one for the loopback, and its key.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
