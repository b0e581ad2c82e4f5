package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/quorate/quorate/server"
	"github.com/quorate/quorate/server/client"
)

const token = "qr_a-token-for-this-test-only"

// cluster is a Farm with Site hq: an etcd, and three brokers as processes.
type cluster struct {
	t       *testing.T
	binary  string
	etcd    *etcd
	key     string // file
	args    [][]string
	bases   []string
	servers []*process
	api     *client.Client
}

// newCluster starts one over an empty etcd.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := prepareCluster(t)
	c.etcd.start()
	c.start()
	return c
}

// prepareCluster starts nothing yet.
func prepareCluster(t *testing.T) *cluster {
	t.Helper()
	dir := t.TempDir()
	c := &cluster{t: t, binary: binary, etcd: newEtcd(t), key: filepath.Join(dir, "secret.key")}
	tokenFile := filepath.Join(dir, "token")
	if err := os.WriteFile(tokenFile, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := server.WriteSecretKeyFile(c.key); err != nil {
		t.Fatal(err)
	}
	first := freePorts(t, 3)
	for i := range 3 {
		listen := fmt.Sprintf("127.0.0.1:%d", first+i)
		c.bases = append(c.bases, "http://"+listen)
		c.args = append(c.args, []string{"serve", "--no-guard", "--site=hq", fmt.Sprintf("--broker=cb-%d", i+1), "--listen=" + listen,
			"--advertise=http://" + listen, "--etcd=" + c.etcd.url(), "--etcd-election=500ms", "--lease-ttl=1s",
			"--root-token-file=" + tokenFile, "--secret-key-file=" + c.key})
	}
	c.api = client.New(token, c.bases...)
	t.Cleanup(c.api.Close)
	return c
}

func (c *cluster) start() {
	c.t.Helper()
	c.servers = nil
	for _, args := range c.args {
		c.servers = append(c.servers, startAs(c.t, c.binary, args...))
	}
	c.await("high availability is on", func(s client.State) bool { return s.Site.Status.HighAvailability.State == "on" })
}

// stop stops the servers as they should be.
func (c *cluster) stop() {
	c.t.Helper()
	for _, s := range c.servers {
		s.stop(syscall.SIGTERM)
	}
}

func (c *cluster) await(what string, cond func(client.State) bool) client.State {
	c.t.Helper()
	state, err := c.api.Await(within(c.t, patience), "hq", what, cond)
	if err != nil {
		c.t.Fatal(err)
	}
	return state
}

func (c *cluster) connected() client.State {
	c.t.Helper()
	return c.await("everything is connected and high availability is on", func(s client.State) bool {
		return allConnected(s) && s.Site.Status.HighAvailability.State == "on"
	})
}

func (c *cluster) do(method, path string, body any) {
	c.t.Helper()
	if err := c.api.Do(within(c.t, patience), method, "/sites/hq"+path, body, nil); err != nil {
		c.t.Fatal(err)
	}
}
