package doctor

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/goleak"

	"github.com/quorate/quorate/server"
	"github.com/quorate/quorate/server/client"
	"github.com/quorate/quorate/store/etcd"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "qr_a-token-for-this-test-only"

// settings are good ones for etcd at the endpoints.
func settings(t *testing.T, endpoints ...string) Config {
	t.Helper()
	cfg := Config{Config: server.DefaultConfig()}
	cfg.Etcd, cfg.EtcdElection, cfg.LeaseTTL = endpoints, 500*time.Millisecond, time.Second
	cfg.Listen = "127.0.0.1:0"
	cfg.SecretKeyFile = filepath.Join(t.TempDir(), "secret.key")
	if err := server.WriteSecretKeyFile(cfg.SecretKeyFile); err != nil {
		t.Fatal(err)
	}
	cfg.RootTokenFile = write(t, token)
	return cfg
}

func write(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func examine(t *testing.T, cfg Config) Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r := Examine(ctx, cfg, "test")
	t.Cleanup(func() {
		if t.Failed() {
			var out strings.Builder
			_ = r.Text(&out)
			t.Log(out.String())
		}
	})
	return r
}

// about are the findings about something.
func (r Report) about(what string) []Finding {
	var all []Finding
	for _, f := range r.Findings {
		if strings.HasPrefix(f.What, what) {
			all = append(all, f)
		}
	}
	return all
}

// finds fails unless there is such a finding.
func finds(t *testing.T, r Report, what string, level Level, says string) {
	t.Helper()
	for _, f := range r.about(what) {
		if f.Level == level && strings.Contains(f.Finding+"\n"+f.Do, says) {
			return
		}
	}
	t.Errorf("no finding about %s is %s and says %q: %+v", what, level, says, r.about(what))
}

// serve runs a broker of the Site hq until the test ends, and returns its URL.
func serve(t *testing.T, cfg Config, broker string) (base string, api *client.Client, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := cfg.Config
	c.Site, c.Broker = "hq", "cb-1"
	base = "http://" + ln.Addr().String()
	c.Advertise = base
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- server.Serve(ctx, c, ln, server.Process{Version: "test", Stdout: io.Discard, Stderr: io.Discard})
	}()
	stop = func() {
		cancel()
		if err, ok := <-ended; ok && err != nil {
			t.Error(err)
		}
		close(ended)
	}
	stop = onceOnly(stop)
	t.Cleanup(stop)
	api = client.New(token, base)
	t.Cleanup(api.Close)
	within, done := context.WithTimeout(t.Context(), 30*time.Second)
	defer done()
	if _, err := api.Await(within, "hq", "it is online", func(s client.State) bool { return s.Brokers[broker].Status.State == "online" }); err != nil {
		t.Fatal(err)
	}
	return base, api, stop
}

func onceOnly(f func()) func() {
	done := false
	return func() {
		if !done {
			done = true
			f()
		}
	}
}

// keys are all that etcd holds.
func keys(t *testing.T, endpoints []string) []string {
	t.Helper()
	c, err := etcd.Dial(etcd.DialConfig{Endpoints: endpoints})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	got, err := c.Get(t.Context(), "", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, kv := range got.Kvs {
		all = append(all, string(kv.Key))
	}
	return all
}

func TestAnEmptyEtcdIsFineAndStaysEmpty(t *testing.T) {
	e := etcdtest.Start(t)
	r := examine(t, settings(t, e.Endpoints()...))
	if r.Failures > 0 {
		t.Errorf("%d checks failed", r.Failures)
	}
	finds(t, r, "stored", OK, "Nothing yet")
	finds(t, r, "etcd cluster", Warn, "one member")
	if left := keys(t, e.Endpoints()); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

func TestAFarmThatIsWellIsSaidToBe(t *testing.T) {
	all := etcdtest.StartCluster(t, 3)
	var endpoints []string
	for _, e := range all {
		endpoints = append(endpoints, e.Endpoints()...)
	}
	cfg := settings(t, endpoints...)
	base, api, stop := serve(t, cfg, "cb-1")
	stranger := cfg
	stranger.SecretKeyFile = settings(t).SecretKeyFile
	finds(t, examine(t, stranger), "secret key", Fail, "not the Farm's key") // though there is no secret yet
	stranger.SecretKeyFile = ""
	finds(t, examine(t, stranger), "secret key", Fail, "or there is none")
	door := listen(t)
	add(t, api, "vc-1", "https://"+door.Addr().String())
	cfg.Listen = strings.TrimPrefix(base, "http://")

	r := examine(t, cfg)
	finds(t, r, "settings", OK, "")
	finds(t, r, "etcd cluster", OK, "bears the loss of 1")
	finds(t, r, "etcd endpoints", OK, "all 3")
	finds(t, r, "etcd agreement", OK, "")
	finds(t, r, "lease", OK, "1s")
	finds(t, r, "listen", OK, "already")
	finds(t, r, "root token", OK, "")
	finds(t, r, "secret key", OK, "opens the one stored secret")
	finds(t, r, "broker hq/cb-1", OK, "Online and ready")
	finds(t, r, "versions", OK, "test")
	finds(t, r, "provider hq/vc-1", Fail, "no TLS") // the door closes at once
	for _, key := range keys(t, endpoints) {
		if strings.Contains(key, "/checkup/") {
			t.Errorf("it left %s", key)
		}
	}

	other := cfg
	other.SecretKeyFile = settings(t).SecretKeyFile
	other.RootTokenFile = write(t, "qr_the-token-of-another-farm")
	_ = door.Close()
	r = examine(t, other)
	finds(t, r, "secret key", Fail, "not the Farm's key")
	finds(t, r, "root token", Fail, "does not know")
	finds(t, r, "provider hq/vc-1", Fail, "cannot be connected to")

	other = cfg
	other.Site = "elsewhere"
	if r = examine(t, other); len(r.about("broker")) > 0 || r.about("settings")[0].Level != OK {
		t.Errorf("--site chooses what to look at: %+v", r.Findings)
	}

	stop()
	all[0].Cut()
	r = examine(t, cfg)
	finds(t, r, "broker hq/cb-1", Warn, "offline")
	finds(t, r, "etcd "+all[0].Addr(), Fail, "")
	finds(t, r, "etcd endpoints", OK, "all 3")
	finds(t, r, "etcd cluster", Warn, "bears no loss now: 1 of 3 members is away")
	finds(t, r, "etcd write", OK, "")
}

// listen accepts connections and closes them.
func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

func add(t *testing.T, api *client.Client, id, address string) {
	t.Helper()
	body := map[string]any{"id": id, "type": "vsphere", "address": address,
		"credentials": map[string]any{"username": "someone", "password": "something"}}
	if err := api.Do(t.Context(), "POST", "/sites/hq/providers", body, nil); err != nil {
		t.Fatal(err)
	}
}

func TestEtcdThatIsAwayIsSaidOnce(t *testing.T) {
	e := etcdtest.Start(t)
	endpoint := e.Endpoints()[0]
	e.Close()
	begin := time.Now()
	r := examine(t, settings(t, endpoint, "http://127.0.0.1:1"))
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if about := r.about("etcd"); len(about) != 1 || r.Failures != 1 {
		t.Errorf("%d failures, about etcd: %+v", r.Failures, about)
	}
	finds(t, r, "etcd", Fail, "None of its 2 endpoints")
	finds(t, r, "open files", OK, "")
}

func TestAFullEtcdIsToldWithTheWayOut(t *testing.T) {
	e := etcdtest.StartWith(t, func(c *embed.Config) { c.QuotaBackendBytes = 1 << 20 })
	c, err := etcd.Dial(etcd.DialConfig{Endpoints: e.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for err == nil {
		_, err = c.Put(t.Context(), "fill", strings.Repeat("x", 100<<10))
	}
	r := examine(t, settings(t, e.Endpoints()...))
	finds(t, r, "etcd alarm NOSPACE", Fail, "alarm disarm")
	finds(t, r, "etcd write", Fail, "full")
	finds(t, r, "etcd "+e.Addr()+" size", Fail, "limit of 1.0 MiB")
	finds(t, r, "etcd read", OK, "")
}

func TestALeaseBelowEtcdsFloorIsTold(t *testing.T) {
	e := etcdtest.StartWith(t, func(c *embed.Config) { c.TickMs, c.ElectionMs = 100, 1000 })
	cfg := settings(t, e.Endpoints()...)
	cfg.EtcdElection = time.Second
	r := examine(t, cfg)
	finds(t, r, "lease", Warn, "etcd grants 2s, and 1s were asked for")
	finds(t, r, "etcd election", OK, "")
}

func TestAnotherElectionTimeoutThanEtcdsIsToldAlsoWithALongLease(t *testing.T) {
	e := etcdtest.StartWith(t, func(c *embed.Config) { c.TickMs, c.ElectionMs = 100, 2000 })
	cfg := settings(t, e.Endpoints()...)
	cfg.LeaseTTL, cfg.EtcdElection = 10*time.Second, time.Second
	r := examine(t, cfg)
	finds(t, r, "lease", OK, "10s")
	finds(t, r, "etcd election", Warn, "more than 1.333s, and --etcd-election says 1s")
	c, err := etcd.Dial(etcd.DialConfig{Endpoints: e.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if left, err := c.Leases(t.Context()); err != nil || len(left.Leases) > 0 {
		t.Errorf("it left %v: %v", left, err)
	}
}

func TestAFarmUnderAnotherPrefixIsTold(t *testing.T) {
	e := etcdtest.Start(t)
	c, err := etcd.Dial(etcd.DialConfig{Endpoints: e.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	put := func(key, value string) {
		t.Helper()
		if _, err := c.Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	cfg := settings(t, e.Endpoints()...)
	put("/other/format", `{"version":1}`) // somebody else's
	put("/zoo/format", "A4")
	put("/zoo/farm", "animals")
	for i := range 30 {
		put("/another/"+strconv.Itoa(i), "x")
		put("no-folder-"+strconv.Itoa(i), "x")
	}
	finds(t, examine(t, cfg), "stored", OK, "Nothing yet")
	put("/vdi/hq/format", `{"version":1}`)
	put("/vdi/hq/farm", `{"id":"one"}`)
	finds(t, examine(t, cfg), "stored", Warn, "Nothing under /quorate/, and there is a Farm under /vdi/hq/.")
	finds(t, examine(t, cfg), "stored", Warn, "--etcd-prefix=/vdi/hq/.")
}

func TestANewerVersionsFarmIsNotRead(t *testing.T) {
	e := etcdtest.Start(t)
	c, err := etcd.Dial(etcd.DialConfig{Endpoints: e.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Put(t.Context(), "/quorate/format", `{"version":99}`); err != nil {
		t.Fatal(err)
	}
	finds(t, examine(t, settings(t, e.Endpoints()...)), "stored", Fail, "Format 99")
	for _, damaged := range []string{`{"version":0}`, `{"version":-1}`, `{}`, `{"vers`} {
		if _, err := c.Put(t.Context(), "/quorate/format", damaged); err != nil {
			t.Fatal(err)
		}
		finds(t, examine(t, settings(t, e.Endpoints()...)), "stored", Fail, "damaged")
	}
}

func TestFilesAreToBeReadableByTheServerAlone(t *testing.T) {
	cfg := settings(t, "http://127.0.0.1:1")
	if err := os.Chmod(cfg.SecretKeyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	cfg.RootTokenFile = filepath.Join(t.TempDir(), "missing")
	cfg.TLSCert, cfg.TLSKey = write(t, "none"), write(t, "none")
	cfg.EtcdCA = write(t, "none")
	r := examine(t, cfg)
	finds(t, r, "--secret-key-file", Fail, "Everybody")
	finds(t, r, "--secret-key-file", Fail, "chmod 640 ")
	finds(t, r, "--root-token-file", Fail, "is not there")
	finds(t, r, "--tls-cert", Fail, "")
	finds(t, r, "--etcd-ca", Fail, "holds no certificate")
	finds(t, r, "etcd", Fail, "not asked")
	cfg.SecretKeyFile = write(t, "none")
	finds(t, examine(t, cfg), "--secret-key-file", Fail, "keyset")
}

func TestSettingsAreJudgedAsServeDoes(t *testing.T) {
	cfg := settings(t, "http://127.0.0.1:1")
	margin := time.Millisecond
	cfg.Broker, cfg.Margin = "cb-1", &margin
	r := examine(t, cfg)
	finds(t, r, "settings", Fail, "--site, --broker give both")
	finds(t, r, "settings", Fail, "\n--margin must be at least 200ms")
}

func TestAPortThatIsTakenIsTold(t *testing.T) {
	cfg := settings(t, "http://127.0.0.1:1")
	cfg.Listen = listen(t).Addr().String()
	finds(t, examine(t, cfg), "listen", Fail, "Another program")
	cfg.Listen = "192.0.2.1:8080"
	finds(t, examine(t, cfg), "listen", Fail, "--listen")
}

// What somebody writes into etcd by hand takes nothing away from a Farm that runs.
func TestARunningFarmOutlivesWhatCannotBeRead(t *testing.T) {
	srv := etcdtest.Start(t)
	cfg := settings(t, srv.Endpoints()...)
	_, _, stop := serve(t, cfg, "cb-1")
	raw, err := etcd.Dial(etcd.DialConfig{Endpoints: srv.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	ctx, done := context.WithTimeout(t.Context(), 60*time.Second)
	defer done()
	put := func(key, value string) {
		t.Helper()
		if _, err := raw.Put(ctx, "/quorate/"+key, value); err != nil {
			t.Fatal(err)
		}
	}
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for !ok() {
			if ctx.Err() != nil {
				t.Fatal(what)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	put("seats/hq", "{spoilt")
	eventually("the seats are not stored again", func() bool {
		got, err := raw.Get(ctx, "/quorate/seats/hq")
		return err == nil && len(got.Kvs) == 1 && string(got.Kvs[0].Value) != "{spoilt"
	})
	if _, err := raw.Delete(ctx, "/quorate/coordinator/hq"); err != nil {
		t.Fatal(err)
	}
	elected := func() bool {
		got, err := raw.Get(ctx, "/quorate/coordinator/hq")
		return err == nil && len(got.Kvs) == 1 && got.Kvs[0].Lease != 0
	}
	eventually("nobody is elected after the record was deleted", elected)
	put("coordinator/hq", `{"broker":"cb-1"}`)
	stop()
	_, _, stop = serve(t, cfg, "cb-1")
	eventually("nobody is elected after the record was put back", elected)
	put("brokers/hq/cb-1", "{spoilt")
	put("secrets/hq/gone", "{spoilt")
	r := examine(t, cfg)
	finds(t, r, "stored", Fail, "/quorate/brokers/hq/cb-1")
	finds(t, r, "secret key", Warn, "etcdctl del /quorate/secrets/hq/gone")
	stop()
}
