// Package containers tests the images and the compose cluster as they are
// shipped: real containers, which are killed, paused, cut off and restarted.
package containers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/compose"
	"github.com/testcontainers/testcontainers-go/wait"

	"github.com/quorate/quorate/server/client"
)

// site is the Site of docker-compose.yml.
const site = "hq"

// patience is for what must happen soon, on a machine that is busy.
const patience = 90 * time.Second

var (
	brokers = []string{"cb-1", "cb-2", "cb-3"} // the active ones
	servers = append(brokers, "cb-4")
	members = []string{"etcd-1", "etcd-2", "etcd-3"}
)

// shared is the cluster that all tests use, one after the other: each leaves it
// whole. noEngine says why there is none.
var (
	shared   *cluster
	noEngine error
)

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	// The images are made here and none is to be had from anywhere; and what is
	// published is published on this machine's loopback, wherever this runs.
	_ = os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	_ = os.Setenv("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if noEngine = engine(ctx); noEngine != nil {
		fmt.Fprintln(os.Stderr, "No Docker engine answers, so no test of package containers is run:", noEngine)
		if os.Getenv("CI") == "true" {
			fmt.Fprintln(os.Stderr, "CI must run them.")
			return 1
		}
		return m.Run() // each says that it is skipped
	}
	c, err := startCluster(ctx)
	if c != nil {
		defer c.remove()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the cluster does not start:", err)
		return 1
	}
	shared = c
	return m.Run()
}

func engine(ctx context.Context) error {
	docker, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = docker.Close() }()
	_, err = docker.Ping(ctx, moby.PingOptions{})
	return err
}

// cluster is the compose cluster.
type cluster struct {
	stack    *compose.DockerCompose
	docker   *testcontainers.DockerClient
	security *tls.Config
	token    string
	started  time.Duration // how long that took
}

// startCluster builds the images and starts the cluster, on a loopback address
// that nobody else uses.
func startCluster(ctx context.Context) (*cluster, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return nil, err
	}
	images := exec.CommandContext(ctx, "make", "-C", root, "images", "HOST_BUILD=1", "VERSION=e2e")
	images.Stdout, images.Stderr = os.Stderr, os.Stderr
	if err := images.Run(); err != nil {
		return nil, fmt.Errorf("make images: %w", err)
	}
	c := &cluster{}
	if c.docker, err = testcontainers.NewDockerClientWithOpts(ctx); err != nil {
		return nil, err
	}
	project := compose.StackIdentifier(fmt.Sprintf("quorate-e2e-%d", os.Getpid()))
	if c.stack, err = compose.NewDockerComposeWith(project, compose.WithStackFiles(filepath.Join(root, "docker-compose.yml"))); err != nil {
		return nil, err
	}
	c.stack.WithEnv(map[string]string{
		"QUORATE_IMAGE": "quorate/quorate:e2e", "QUORATE_ETCD_IMAGE": "quorate/etcd:e2e", "QUORATE_BIND": "127.0.0.77",
	})
	begin := time.Now()
	if err := c.stack.Up(ctx); err != nil {
		return c, err
	}
	if err := c.meet(ctx); err != nil {
		return c, err
	}
	_, err = c.api().Await(ctx, site, "every Provider is connected", all(connected))
	c.started = time.Since(begin)
	return c, err
}

// meet learns what a client of the cluster needs.
func (c *cluster) meet(ctx context.Context) error {
	authority, err := c.file(ctx, "/farm/ca.crt")
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	c.security = &tls.Config{RootCAs: roots, ServerName: "localhost"}
	token, err := c.file(ctx, "/farm/root.token")
	c.token = strings.TrimSpace(string(token))
	return err
}

func (c *cluster) file(ctx context.Context, path string) ([]byte, error) {
	container, err := c.stack.ServiceContainer(ctx, "cb-1")
	if err != nil {
		return nil, err
	}
	r, err := container.CopyFileFromContainer(ctx, path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(r)
}

// api asks any server that is there, at the ports that are published.
func (c *cluster) api() *client.Client {
	var bases []string
	for i := range servers {
		bases = append(bases, fmt.Sprintf("https://127.0.0.77:%d", 8080+i))
	}
	return client.NewTLS(c.security, c.token, bases...)
}

// remove ends the cluster, with its volumes.
func (c *cluster) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.stack.Down(ctx, compose.RemoveOrphans(true), compose.RemoveVolumes(true)); err != nil {
		fmt.Fprintln(os.Stderr, "the cluster is not removed:", err)
	}
	_, _ = c.stack.Close(), c.docker.Close() // nothing can be done about it
}

// bench is the cluster as one test uses it.
type bench struct {
	*testing.T
	*cluster
	api   *client.Client
	ctx   context.Context
	story *story
}

// open waits until the cluster is whole, and sees to it that it is so again
// after the test, and that nothing was ever managed twice.
func open(t *testing.T) *bench {
	t.Helper()
	if noEngine != nil {
		t.Skipf("%s needs a Docker engine: %v", t.Name(), noEngine)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	b := &bench{T: t, cluster: shared, api: shared.api(), ctx: ctx}
	t.Cleanup(cancel)
	t.Cleanup(b.api.Close)
	// A short hold-down, so that a test does not wait long for its end.
	b.must(b.api.Do(ctx, "PATCH", "/sites/"+site, map[string]any{"failback": map[string]any{"holdDown": "1s"}}, nil))
	b.whole()
	b.story = follow(b)
	t.Cleanup(func() {
		b.whole()
		b.story.check(b)
	})
	return b
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// await waits until the Site is as wanted.
func (b *bench) await(what string, cond func(client.State) bool) client.State {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	now, err := b.api.Await(ctx, site, what, cond)
	b.must(err)
	return now
}

// whole waits until every member and server is there and everything is home.
func (b *bench) whole() {
	b.Helper()
	for _, member := range members {
		b.healthy(member)
	}
	b.await("the cluster is whole", func(now client.State) bool {
		for _, id := range servers {
			if now.Brokers[id].Status.State != "online" {
				return false
			}
		}
		return now.Site.Status.HighAvailability.State == "on" && all(connected, atHome)(now)
	})
}

// healthy waits until a service's health check says so.
func (b *bench) healthy(service string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	container, err := b.stack.ServiceContainer(ctx, service)
	b.must(err)
	b.must(wait.ForHealthCheck().WithPollInterval(100*time.Millisecond).WaitUntilReady(ctx, container))
}

func (b *bench) id(service string) string {
	b.Helper()
	container, err := b.stack.ServiceContainer(b.ctx, service)
	b.must(err)
	return container.GetContainerID()
}

func (b *bench) kill(service string) {
	b.Helper()
	_, err := b.docker.ContainerKill(b.ctx, b.id(service), moby.ContainerKillOptions{Signal: "KILL"})
	b.must(err)
}

func (b *bench) start(service string) {
	b.Helper()
	_, err := b.docker.ContainerStart(b.ctx, b.id(service), moby.ContainerStartOptions{})
	b.must(err)
}

// restart stops a service as its operator would, and starts it again.
func (b *bench) restart(service string) {
	b.Helper()
	seconds := 15
	_, err := b.docker.ContainerRestart(b.ctx, b.id(service), moby.ContainerRestartOptions{Timeout: &seconds})
	b.must(err)
}

func (b *bench) pause(service string) {
	b.Helper()
	_, err := b.docker.ContainerPause(b.ctx, b.id(service), moby.ContainerPauseOptions{})
	b.must(err)
}

func (b *bench) unpause(service string) {
	b.Helper()
	_, err := b.docker.ContainerUnpause(b.ctx, b.id(service), moby.ContainerUnpauseOptions{})
	b.must(err)
}

// network is the one that all services are on.
func (b *bench) network(service string) string {
	b.Helper()
	container, err := b.stack.ServiceContainer(b.ctx, service)
	b.must(err)
	names, err := container.Networks(b.ctx)
	b.must(err)
	if len(names) != 1 {
		b.Fatalf("%s is on the networks %v", service, names)
	}
	return names[0]
}

// cutOff takes a service off its network and returns what brings it back.
func (b *bench) cutOff(service string) (back func()) {
	b.Helper()
	id, network := b.id(service), b.network(service)
	info, err := b.docker.ContainerInspect(b.ctx, id, moby.ContainerInspectOptions{})
	b.must(err)
	settings := info.Container.NetworkSettings.Networks[network]
	_, err = b.docker.NetworkDisconnect(b.ctx, network, moby.NetworkDisconnectOptions{Container: id, Force: true})
	b.must(err)
	return func() {
		b.Helper()
		// Names are those that the service had, and so is its address.
		_, err := b.docker.NetworkConnect(b.ctx, network, moby.NetworkConnectOptions{Container: id, EndpointConfig: settings})
		b.must(err)
	}
}

// address is where a server is on the cluster's own network, without anything
// of Docker's in between.
func (b *bench) address(service string) string {
	b.Helper()
	container, err := b.stack.ServiceContainer(b.ctx, service)
	b.must(err)
	ip, err := container.ContainerIP(b.ctx)
	b.must(err)
	return "https://" + net.JoinHostPort(ip, "8080")
}

// Conditions on one Provider.
func connected(p client.Provider) bool { return p.Status.State == "connected" }
func atHome(p client.Provider) bool    { return p.Status.Home == "" || p.Status.Home == p.Status.Owner }

func without(broker string) func(client.Provider) bool {
	return func(p client.Provider) bool { return p.Status.Owner != broker }
}

// all makes a condition on a Site of conditions on each of its Providers.
func all(conds ...func(client.Provider) bool) func(client.State) bool {
	return func(now client.State) bool {
		for _, p := range now.Providers {
			for _, cond := range conds {
				if !cond(p) {
					return false
				}
			}
		}
		return len(now.Providers) == 3
	}
}

// refused reports whether a request got no connection at all.
func refused(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial"
}
