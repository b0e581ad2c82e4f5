// Package dev runs a whole Site on one machine: etcd and vSphere simulators in
// this process, brokers as processes of their own, so that they can be killed.
package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quorate/quorate/provider/vsphere/vspheresim"
	"github.com/quorate/quorate/server"
	"github.com/quorate/quorate/server/client"
	"github.com/quorate/quorate/server/guard"
)

// site is the Site that everything belongs to.
const site = "demo"

// Process is what a run gets from the process it runs in.
type Process struct {
	Binary string    // this program: brokers are started from it
	Stdout io.Writer // where the story is told
}

// Run runs everything until ctx ends. Nothing it started remains.
func Run(ctx context.Context, cfg Config, p Process) (err error) {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if err := portsFree(ctx, cfg); err != nil {
		return err
	}
	dir, err := hold(cfg.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.release()) }()

	d := &run{Config: cfg, binary: p.Binary, dir: dir, say: &teller{out: p.Stdout}, pids: map[string]int{}}
	if err := d.run(ctx); err != nil && !stopped(ctx, err) {
		return err
	}
	if !dir.temporary {
		d.say.line("Stopped. To go on, run it again with --data-dir %s.", dir.path)
		return nil
	}
	d.say.line("Stopped; nothing remains.")
	return nil
}

// stopped reports whether err says no more than that we were told to stop.
func stopped(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, context.Canceled)
}

// run is one run.
type run struct {
	Config
	binary string
	dir    *directory
	say    *teller
	keys   keys
	etcd   string
	began  int64 // etcd's revision when this run began
	sims   []*vspheresim.Server
	all    []*broker
	api    *client.Client

	mu      sync.Mutex
	pids    map[string]int // the process that each broker is now; 0: it is dead
	settled bool           // everything has been connected once
}

// run starts everything, waits for ctx, and stops everything in reverse.
func (d *run) run(ctx context.Context) (err error) {
	begin := time.Now()
	if d.keys, err = d.dir.keys(); err != nil {
		return err
	}
	d.say.line("Starting etcd, %s with %s each, and %s …", count(d.Providers, "vSphere simulator"), count(d.Hosts, "VM"), count(d.Brokers+d.Standby, "broker"))
	etcd, err := startEtcd(ctx, d.dir.file("etcd"), !d.dir.temporary)
	if err != nil {
		return err
	}
	defer stopEtcd(etcd)
	d.etcd, d.began = etcd.Clients[0].Addr().String(), etcd.Server.KV().Rev()

	defer d.stopSimulators()
	if err := d.startSimulators(ctx); err != nil {
		return err
	}
	urls := d.brokers()
	d.api = client.New(d.keys.token, urls...)
	defer d.api.Close()

	// The thread that starts processes outlives them.
	threadCtx, endThread := context.WithCancel(context.WithoutCancel(ctx))
	defer endThread()
	thread := make(starter)
	go thread.Run(threadCtx)

	storage := server.DefaultStorageConfig()
	storage.Etcd = []string{"http://" + d.etcd}
	revoke, free, err := server.Revoker(storage)
	if err != nil {
		return err
	}
	defer free()
	if d.NoGuard {
		revoke = func(context.Context, int64) error { return nil }
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, b := range d.all {
		g.Go(func() error { return d.keepAlive(ctx, b, thread, revoke) })
	}
	g.Go(func() error {
		now, err := d.settle(ctx)
		if err != nil {
			return err
		}
		d.welcome(now, time.Since(begin))
		return d.tell(ctx)
	})
	g.Go(func() error {
		<-ctx.Done()
		d.say.line("Stopping …")
		return nil
	})
	return g.Wait()
}

// portsFree says early, and in words, that a port is taken.
func portsFree(ctx context.Context, cfg Config) error {
	var lc net.ListenConfig
	for i := range cfg.Brokers + cfg.Standby {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(cfg.Port+i))
		l, err := lc.Listen(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("broker cb-%d cannot listen on %s: stop what uses that port (another quorate dev?), or give another --port (%w)", i+1, address, err)
		}
		_ = l.Close()
	}
	return nil
}

func (d *run) startSimulators(ctx context.Context) error {
	for i := range d.Providers {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		sim, err := vspheresim.Start(vspheresim.Config{
			Hosts:    d.Hosts,
			Prefix:   fmt.Sprintf("vdi-%d-", i+1),
			Username: "quorate@vsphere.local",
			Password: newPassword(),
		})
		if err != nil {
			return fmt.Errorf("starting a vSphere simulator: %w", err)
		}
		d.sims = append(d.sims, sim)
	}
	return nil
}

func (d *run) stopSimulators() {
	for _, s := range d.sims {
		s.Close()
	}
}

// brokers makes what there is to know of each broker, and returns their URLs.
func (d *run) brokers() (urls []string) {
	for i := range d.Brokers + d.Standby {
		id := fmt.Sprintf("cb-%d", i+1)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(d.Port+i))
		mode := "active"
		if i >= d.Brokers {
			mode = "standby"
		}
		b := &broker{
			id: id, url: "http://" + address, binary: d.binary, logFile: d.dir.file("logs", id+".log"),
			args: []string{
				"serve", "--no-guard", "--site=" + site, "--broker=" + id, "--mode=" + mode, "--priority=" + strconv.Itoa(i),
				"--listen=" + address, "--advertise=http://" + address,
				"--etcd=http://" + d.etcd, "--etcd-election=" + election.String(), "--lease-ttl=" + d.LeaseTTL.String(),
				"--root-token-file=" + d.keys.tokenFile, "--secret-key-file=" + d.keys.secretKeyFile,
			},
		}
		d.all, urls = append(d.all, b), append(urls, b.url)
	}
	return urls
}

// keepAlive runs a broker's processes, one after the other, until ctx ends.
func (d *run) keepAlive(ctx context.Context, b *broker, s starter, revoke func(context.Context, int64) error) error {
	log, err := os.OpenFile(b.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("log of %s: %w", b.id, err)
	}
	defer func() { _ = log.Close() }()
	err = guard.Run(ctx, guard.Config{
		Command: func() *exec.Cmd { return b.command(log) }, Start: s.start, Revoke: revoke,
		RestartAfter: d.RestartAfter, StopTimeout: stopTimeout,
		Started: func(pid int) { d.started(b, pid) },
		Ended:   func(e guard.End) { d.died(ctx, b, e) },
		Log:     slog.New(slog.NewTextHandler(log, nil)),
	})
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, guard.ErrStart):
		return fmt.Errorf("%s: %w; its log ends with:\n%s", b.id, err, b.tail())
	}
	return err
}

// started notes a broker's new process.
func (d *run) started(b *broker, pid int) {
	d.mu.Lock()
	_, again := d.pids[b.id]
	d.pids[b.id] = pid
	settled := d.settled
	d.mu.Unlock()
	if settled {
		d.writeFacts()
	}
	if again {
		d.say.now("%s is started again, pid %d.", b.id, pid)
	}
}

// died notes that a broker has no process: its number may soon be another's.
func (d *run) died(ctx context.Context, b *broker, e guard.End) {
	d.mu.Lock()
	d.pids[b.id] = 0
	settled := d.settled
	d.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	if settled {
		d.writeFacts()
	}
	if e.Next < 0 {
		d.say.now("%s (pid %d) %s. It is not started again (--restart-after never).", b.id, e.PID, e)
		return
	}
	d.say.now("%s (pid %d) %s. It is started again in %s.", b.id, e.PID, e, e.Next)
}

// writeFacts replaces dev.json. That it cannot be written is said, and no
// reason to stop.
func (d *run) writeFacts() {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := Facts{Site: site, Token: d.keys.token, Etcd: []string{"http://" + d.etcd}, Brokers: []BrokerFacts{}, Providers: []ProviderFacts{}}
	for _, b := range d.all {
		f.Brokers = append(f.Brokers, BrokerFacts{ID: b.id, URL: b.url, PID: d.pids[b.id]})
	}
	for i, s := range d.sims {
		f.Providers = append(f.Providers, ProviderFacts{ID: providerID(i), Type: "vsphere", Address: s.URL()})
	}
	if err := d.dir.writeFacts(f); err != nil {
		d.say.line("dev.json could not be written: %v", err)
	}
}

func providerID(i int) string { return fmt.Sprintf("vc-%d", i+1) }
