package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/server"
)

// lab is a Site and all that is around it.
type lab struct {
	settings
	dir       string
	net       *network
	hosts     []*host
	members   []*member
	place     *node // of the Providers
	desk      *node // of the clients
	witness   *witness
	providers []string
	isPool    map[string]bool
	where     map[string]string // address, by Provider
	etcd      *clientv3.Client
	eye       *eye
	apis      []*api
	sims      []*process
	logs      []*os.File
	calls     []string // files
	bounds    farm.Bounds
}

const (
	site     = "hq"
	token    = "qr_a-token-for-this-laboratory-only"
	election = 500 * time.Millisecond
	quota    = 48 << 20
)

// build compiles the server and etcd.
func build(ctx context.Context, dir string, race bool) error {
	args := []string{"build", "-o", filepath.Join(dir, "quorate")}
	if race {
		args = append(args, "-race")
	}
	for _, args := range [][]string{
		append(args, "github.com/quorate/quorate/cmd/quorate"),
		{"build", "-o", filepath.Join(dir, "etcd"), "go.etcd.io/etcd/server/v3"},
	} {
		cmd := exec.CommandContext(ctx, "go", args...)
		if strings.HasSuffix(args[2], "etcd") {
			root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/quorate/quorate").Output()
			if err != nil {
				return err
			}
			cmd.Dir = filepath.Join(strings.TrimSpace(string(root)), "e2e", "etcd")
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		}
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, text)
		}
	}
	return nil
}

// open puts the machines up. close must be called whether or not it succeeds.
func (l *lab) open(ctx context.Context) (err error) {
	l.bounds = farm.Timing{TTL: l.ttl, Election: election}.Bounds()
	if err := build(ctx, l.dir, l.race); err != nil {
		return err
	}
	if l.net, err = newNetwork(); err != nil {
		return err
	}
	l.witness, l.isPool, l.where = newWitness(), map[string]bool{}, map[string]string{}
	var addresses []string
	for i := range l.vcenters + l.pools {
		addresses = append(addresses, fmt.Sprintf("10.77.1.%d", i+1))
	}
	if l.place, err = l.net.join("providers", "10.77.0.30", addresses...); err != nil {
		return err
	}
	if l.desk, err = l.net.join("clients", "10.77.0.40"); err != nil {
		return err
	}
	if err := l.startEtcd(ctx); err != nil {
		return err
	}
	if err := l.startBrokers(); err != nil {
		return err
	}
	return l.startProviders(ctx, addresses)
}

func (l *lab) startEtcd(ctx context.Context) (err error) {
	var cluster, urls []string
	for i := range 3 {
		name := fmt.Sprintf("etcd-%d", i+1)
		at, err := l.net.join(name, fmt.Sprintf("10.77.0.%d", 21+i))
		if err != nil {
			return err
		}
		log, err := newLog(l.dir, name)
		if err != nil {
			return err
		}
		m := &member{node: at, binary: filepath.Join(l.dir, "etcd"), log: log}
		cluster = append(cluster, name+"=http://"+at.ip+":2380")
		urls = append(urls, m.url())
		l.members, l.logs = append(l.members, m), append(l.logs, log)
	}
	for _, m := range l.members {
		m.args = []string{
			"--name=" + m.name, "--data-dir=" + filepath.Join(l.dir, m.name), "--log-level=error",
			"--listen-client-urls=" + m.url(), "--advertise-client-urls=" + m.url(),
			"--listen-peer-urls=http://" + m.ip + ":2380", "--initial-advertise-peer-urls=http://" + m.ip + ":2380",
			"--initial-cluster=" + strings.Join(cluster, ","), "--heartbeat-interval=50", "--election-timeout=500",
			"--unsafe-no-fsync", fmt.Sprint("--quota-backend-bytes=", quota),
		}
		if err := m.start(); err != nil {
			return err
		}
	}
	dial := dialer(l.desk.ns)
	l.etcd, err = clientv3.New(clientv3.Config{
		Endpoints: urls, Logger: zap.NewNop(), DialTimeout: time.Second,
		DialKeepAliveTime: 5 * time.Second, DialKeepAliveTimeout: time.Second, // more often is too often for etcd
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, a string) (net.Conn, error) { return dial(ctx, "tcp", a) })},
	})
	if err != nil {
		return err
	}
	l.eye = newEye(l.etcd)
	return nil
}

func (l *lab) startBrokers() error {
	tokenFile, keyFile := filepath.Join(l.dir, "token"), filepath.Join(l.dir, "secret.key")
	if err := errors.Join(os.WriteFile(tokenFile, []byte(token), 0o600), server.WriteSecretKeyFile(keyFile)); err != nil {
		return err
	}
	var urls []string
	for _, m := range l.members {
		urls = append(urls, m.url())
	}
	for i := range l.active + l.standby {
		id := fmt.Sprintf("cb-%d", i+1)
		at, err := l.net.join(id, fmt.Sprintf("10.77.0.%d", 11+i))
		if err != nil {
			return err
		}
		log, err := newLog(l.dir, id)
		if err != nil {
			return err
		}
		mode := "active"
		if i >= l.active {
			mode = "standby"
		}
		base := "http://" + at.ip + ":8080"
		calls := filepath.Join(l.dir, id+".calls")
		h := &host{node: at, id: id, binary: filepath.Join(l.dir, "quorate"), log: log, args: []string{
			"serve", "--site=" + site, "--broker=" + id, "--mode=" + mode, fmt.Sprint("--priority=", i),
			"--listen=" + at.ip + ":8080", "--advertise=" + base, "--etcd=" + strings.Join(urls, ","), "--etcd-election=" + election.String(),
			"--lease-ttl=" + l.ttl.String(), "--root-token-file=" + tokenFile, "--secret-key-file=" + keyFile,
			"--restart-after=100ms", "--call-log=" + calls,
		}}
		l.hosts, l.logs, l.calls = append(l.hosts, h), append(l.logs, log), append(l.calls, calls)
		l.apis = append(l.apis, newAPI(l.desk, base, token))
		l.witness.knows(id, at.ip)
		if err := h.start(); err != nil {
			return err
		}
	}
	return nil
}

const pcs = 2 // of each pool; one more comes and goes

// startProviders runs the simulators, with a witness before each.
func (l *lab) startProviders(ctx context.Context, addresses []string) error {
	log, err := newLog(l.dir, "providers")
	if err != nil {
		return err
	}
	l.logs = append(l.logs, log)
	sim := func(args ...string) error {
		p, err := start(l.place, log, filepath.Join(l.dir, "quorate"), append([]string{"simulator"}, args...)...)
		l.sims = append(l.sims, p)
		return err
	}
	for i, address := range addresses {
		if i < l.vcenters {
			id, inner := fmt.Sprintf("vc-%d", i+1), fmt.Sprintf("127.0.0.1:%d", 9000+i)
			l.providers, l.where[id] = append(l.providers, id), address
			if err := errors.Join(sim("vsphere", "--listen="+inner, "--hosts=3"), l.witness.relay(ctx, l.place, id, false, address+":443", inner)); err != nil {
				return err
			}
			continue
		}
		id, first := fmt.Sprintf("pcs-%d", i-l.vcenters+1), 10000+10*i
		l.providers, l.where[id], l.isPool[id] = append(l.providers, id), address, true
		if err := sim("pcs", fmt.Sprintf("--listen=127.0.0.1:%d", first), fmt.Sprint("--machines=", pcs)); err != nil {
			return err
		}
		for j := range pcs {
			if err := l.witness.relay(ctx, l.place, id, true, fmt.Sprintf("%s:%d", address, 3389+j), fmt.Sprintf("127.0.0.1:%d", first+j)); err != nil {
				return err
			}
		}
		go l.witness.flicker(ctx, l.place, id, fmt.Sprintf("%s:%d", address, 3389+pcs))
	}
	return nil
}

// furnish makes the Site's Providers and waits until all are connected.
func (l *lab) furnish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := l.eye.await(ctx, func() bool { return len(l.eye.presence) == len(l.hosts) && l.eye.seats.State == "on" }); err != nil {
		return fmt.Errorf("high availability never came on: %w", err)
	}
	if err := insist(ctx, l.apis, "PATCH", "/api/v1/sites/"+site, map[string]any{"failback": map[string]any{"holdDown": "500ms"}}); err != nil {
		return err
	}
	for _, id := range l.providers {
		body := map[string]any{"id": id}
		if l.isPool[id] {
			var machines []map[string]string
			for j := range pcs + 1 {
				machines = append(machines, map[string]string{"id": fmt.Sprint("pc-", j+1), "address": fmt.Sprintf("%s:%d", l.where[id], 3389+j)})
			}
			body["type"] = "remotepc"
			body["options"] = map[string]any{"machines": machines, "interval": "200ms", "timeout": "500ms"}
		} else {
			body["type"], body["address"] = "vsphere", "https://"+l.where[id]+"/sdk"
			body["credentials"] = map[string]string{"username": "quorate@vsphere.local", "password": "quorate"}
			body["options"] = map[string]any{"insecureSkipVerify": true}
		}
		if err := insist(ctx, l.apis, "POST", "/api/v1/sites/"+site+"/providers", body); err != nil {
			return err
		}
	}
	return l.connected(ctx)
}

// connected waits until every Provider is, by the records and by the witness:
// from now on, its owner is heard at it.
func (l *lab) connected(ctx context.Context) error {
	from := server.Monotonic()
	if err := l.eye.current(ctx); err != nil {
		return fmt.Errorf("storage never answered: %w", err)
	}
	err := l.eye.await(ctx, func() bool {
		for _, id := range l.providers {
			owner, ok := l.eye.connected(id)
			if !ok || l.isPool[id] && l.witness.heard(id, owner) < from {
				return false
			}
		}
		return true
	})
	if err != nil {
		l.eye.mu.Lock()
		defer l.eye.mu.Unlock()
		return fmt.Errorf("not every Provider was connected: %w; owners %+v, reports %+v, presence %v, seats %+v", err, l.eye.owners, l.eye.reports, l.eye.presence, l.eye.seats)
	}
	return nil
}

// close ends everything that is left.
func (l *lab) close(out io.Writer) {
	for _, h := range l.hosts {
		h.signal(18, true) // SIGCONT
		h.lose()
	}
	for _, m := range l.members {
		m.kill()
	}
	for _, p := range l.sims {
		p.kill()
	}
	if l.etcd != nil {
		_ = l.etcd.Close()
	}
	for _, f := range l.logs {
		_ = f.Close()
	}
	if l.net != nil {
		if err := l.net.close(); err != nil {
			fmt.Fprintln(out, "namespaces:", err)
		}
	}
}
