package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/server/client"
	storage "github.com/quorate/quorate/store/etcd"
)

// buildVersion builds the program as another release of it.
func buildVersion(t *testing.T, version string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "quorate")
	build := exec.Command("go", "build", "-ldflags", "-X main.version="+version, "-o", file, "../cmd/quorate")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

// visitor reads and writes by turns at every server, with a connection for each
// request, and takes no other error than a refused connection.
type visitor struct {
	t        *testing.T
	token    string
	bases    []string
	refused  atomic.Int64
	answered atomic.Int64
	errs     chan error
}

func (c *cluster) visit(ctx context.Context) (*visitor, func()) {
	v := &visitor{t: c.t, token: token, bases: c.bases, errs: make(chan error, 100)}
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	for i := range v.bases {
		all.Go(func() { v.run(ctx, v.bases[i]) })
	}
	return v, func() {
		stop()
		all.Wait()
		close(v.errs)
	}
}

func (v *visitor) run(ctx context.Context, base string) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := v.ask(base, n)
		switch {
		case err == nil:
			v.answered.Add(1)
		case errors.Is(err, syscall.ECONNREFUSED):
			v.refused.Add(1)
		default:
			select {
			case v.errs <- fmt.Errorf("%s: %w", base, err):
			default: // enough
			}
		}
	}
}

// ask writes every other time.
func (v *visitor) ask(base string, n int) error {
	method, body := http.MethodGet, ""
	if n%2 == 1 {
		method, body = http.MethodPatch, fmt.Sprintf(`{"description":"%s %d"}`, base, n)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, base+"/api/v1/sites/hq", strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+v.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	once := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext}}
	answer, err := once.Do(r)
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s is answered %s", method, answer.Status)
	}
	return nil
}

// versions are those of the brokers that are online.
func versions(s client.State) []string {
	var all []string
	for _, b := range s.Brokers {
		if b.Status.State == "online" {
			all = append(all, b.Status.Version)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// The commands of docs/upgrade.md are run as they stand there, but for the
// addresses: every server is replaced, and nobody is refused but a connection.
func TestEveryServerIsReplacedWhileTheFarmGoesOn(t *testing.T) {
	needs(t, "curl", "jq")
	older, newer := buildVersion(t, "v1.0.0"), buildVersion(t, "v1.1.0")
	farm := prepareCluster(t)
	farm.binary = older
	farm.etcd.start()
	farm.start()
	farm.do("POST", "/providers", map[string]any{"id": "pc-1", "type": "remotepc",
		"options": map[string]any{"machines": []any{map[string]any{"id": "pc-1", "address": "127.0.0.1:1"}}}})
	farm.connected()

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "root.token"), []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	sh := newShell(t, dir)
	blocks := commandsOf(t, "docs/upgrade.md")
	if len(blocks) != 3 {
		t.Fatalf("docs/upgrade.md has %d blocks of commands, this test knows 3", len(blocks))
	}
	visitor, leave := farm.visit(within(t, 3*patience))
	for i := range farm.servers {
		next := (i + 1) % len(farm.bases) // any other server
		local := strings.NewReplacer("API=http://127.0.0.1:8080", "API="+farm.bases[next], "cb-1", fmt.Sprintf("cb-%d", i+1),
			"SERVER=http://127.0.0.1:8080", "SERVER="+farm.bases[i])
		sh.run(local.Replace(blocks[0]) + local.Replace(blocks[1]))
		farm.servers[i].stop(syscall.SIGTERM)
		farm.servers[i] = startAs(t, newer, farm.args[i]...)
		said := sh.run(blocks[2])
		for j := range farm.servers {
			want := fmt.Sprintf("cb-%d online v1.0.0", j+1)
			if j <= i {
				want = fmt.Sprintf("cb-%d online v1.1.0", j+1)
			}
			if !strings.Contains(said, want) {
				t.Errorf("no %q in\n%s", want, said)
			}
		}
		both := []string{"v1.0.0", "v1.1.0"}
		if i == len(farm.servers)-1 {
			both = both[1:]
		}
		if got := versions(farm.connected()); !slices.Equal(got, both) {
			t.Errorf("after server %d the versions are %v", i+1, got)
		}
	}
	leave()
	for err := range visitor.errs {
		t.Error(err)
	}
	t.Logf("%d requests were answered, %d connections refused", visitor.answered.Load(), visitor.refused.Load())
	if visitor.answered.Load() < 100 {
		t.Error("too few to say anything")
	}
}

// What lay in etcd when format 1 was frozen is taken up by the program of today.
func TestAFarmStoredInFormat1GoesOn(t *testing.T) {
	const stored = "../store/etcd/testdata/format-1"
	farm := prepareCluster(t)
	keyset, err := os.ReadFile(stored + ".keyset.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(farm.key, keyset, 0o600); err != nil {
		t.Fatal(err)
	}
	farm.etcd.start()
	load(t, farm.etcd.url(), stored+".txt")
	farm.start()
	s := farm.await("pc-1 is connected", func(s client.State) bool { return s.Providers["pc-1"].Status.State == "connected" })
	if e := s.Providers["pc-1"].Status.Epoch; e <= 7 {
		t.Errorf("pc-1 has epoch %d, and had 7", e)
	}
	s = farm.await("vc-1 has an owner, who cannot connect", func(s client.State) bool { return s.Providers["vc-1"].Status.State == "failed" })
	if vc := s.Providers["vc-1"].Status; vc.Epoch <= 42 || vc.Reason != "connection-failed" {
		t.Errorf("vc-1 is %+v", vc)
	}
	farm.do("PATCH", "/providers/vc-1", map[string]any{"description": "changed"}) // which needs its password
}

// load puts what is stored into an etcd, as a restored snapshot would: what
// hangs on a lease ends with it.
func load(t *testing.T, url, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c, err := storage.Dial(storage.DialConfig{Endpoints: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	var lease *clientv3.LeaseGrantResponse
	eventually(t, patience, "etcd answers", func() bool {
		lease, err = c.Grant(within(t, time.Second), 1)
		return err == nil
	})
	for _, l := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		key, value, _ := strings.Cut(l, "\t")
		var on []clientv3.OpOption
		if strings.HasPrefix(key, "presence/") || strings.HasPrefix(key, "coordinator/") {
			on = append(on, clientv3.WithLease(lease.ID))
		}
		if _, err := c.Put(within(t, patience), storage.DefaultPrefix+key, value, on...); err != nil {
			t.Fatal(err)
		}
	}
}
