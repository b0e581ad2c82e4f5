// Bench measures how long Providers are without a connection: it runs a Site
// with `quorate dev`, kills, stops and moves, and watches storage for the
// moment at which every Provider is connected at its owner again. It prints a
// table and writes the same as JSON. It measures; it passes no judgement.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/server/client"
	"github.com/quorate/quorate/server/dev"
	"github.com/quorate/quorate/store/etcd"
)

// settings of a run.
type settings struct {
	kills, lost, pauses, moves, stops int
	providers, port                   int
	ttl                               time.Duration
	json                              string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&s.kills, "kills", 30, "how often to kill -9 the owner of vc-1, which has a guard")
	flags.IntVar(&s.lost, "lost", 30, "how often to kill -9 it without a guard, as when its machine is lost")
	flags.IntVar(&s.pauses, "pauses", 10, "how often to pause it (SIGSTOP) until another one has taken over")
	flags.IntVar(&s.moves, "moves", 30, "how often to move vc-1")
	flags.IntVar(&s.stops, "stops", 30, "how often to stop (SIGTERM) the owner of vc-1")
	flags.IntVar(&s.providers, "providers", 5, "Providers of the Site")
	flags.IntVar(&s.port, "port", 18080, "first port of the brokers")
	flags.DurationVar(&s.ttl, "lease-ttl", time.Second, "lease of each broker")
	flags.StringVar(&s.json, "json", "out/bench-takeover.json", "where to write the figures")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "quorate-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	binary := filepath.Join(dir, "quorate")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/quorate")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("building: %w", err)
	}
	bounds := farm.Timing{TTL: s.ttl, Election: 500 * time.Millisecond}.Bounds()
	guarded, err := measured(ctx, s, binary, filepath.Join(dir, "guarded"), []kind{
		{"process killed (SIGKILL), guarded", s.kills, bounds.ProcessDied, (*theSite).kill},
		{"process paused (SIGSTOP)", s.pauses, bounds.BrokerLost, (*theSite).pause},
		{"planned move", s.moves, bounds.PlannedMove, (*theSite).move},
		{"broker stopped (SIGTERM)", s.stops, bounds.PlannedMove, (*theSite).stop},
	})
	if err != nil {
		return err
	}
	lone, err := measured(ctx, s, binary, filepath.Join(dir, "lone"), []kind{
		{"process killed, no guard", s.lost, bounds.BrokerLost, (*theSite).kill},
	}, "--no-guard")
	if err != nil {
		return err
	}
	results := slices.Insert(guarded, 1, lone...)
	print(out, results)
	return write(s.json, results)
}

// kind is one thing that is measured.
type kind struct {
	name  string
	n     int
	bound time.Duration
	do    func(*theSite, context.Context) (sample, error)
}

// measured measures on a Site of its own.
func measured(ctx context.Context, s settings, binary, dir string, kinds []kind, args ...string) (results []result, err error) {
	site, err := startSite(ctx, s, binary, dir, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, site.close()) }()
	watching, endWatch := context.WithCancel(ctx)
	defer endWatch()
	group, watching := errgroup.WithContext(watching)
	group.Go(func() error { return site.store.Run(watching) })
	for _, kind := range kinds {
		r := result{Name: kind.name, Bound: kind.bound}
		for i := range kind.n {
			one, err := kind.do(site, ctx)
			if err != nil {
				return nil, fmt.Errorf("%s %d: %w", kind.name, i+1, err)
			}
			r.Samples = append(r.Samples, one.took)
			r.Unowned += one.unowned
		}
		results = append(results, r)
	}
	endWatch()
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return nil, err
	}
	return results, nil
}

// sample is one measurement.
type sample struct {
	took    time.Duration
	unowned int // Providers without a living owner, counted at every revision
}

// result is all measurements of one kind.
type result struct {
	Name    string          `json:"name"`
	Samples []time.Duration `json:"samplesNanoseconds"`
	Unowned int             `json:"unownedMoments"`
	Bound   time.Duration   `json:"boundNanoseconds"` // connecting not included
}

// percentile is the smallest sample that at least share of all do not exceed.
func (r result) percentile(share float64) time.Duration {
	if len(r.Samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(r.Samples))
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

func print(out io.Writer, results []result) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "until every Provider is connected again\tn\tp50\tp99\tworst\tbound\trevisions at which one had no owner")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%d\n", r.Name, len(r.Samples),
			ms(r.percentile(0.5)), ms(r.percentile(0.99)), ms(r.percentile(1)), ms(r.Bound), r.Unowned)
	}
	_ = w.Flush()
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

func write(path string, results []result) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// theSite is the Site under measurement.
type theSite struct {
	dev   *exec.Cmd
	facts string // dev.json
	api   *client.Client
	store *etcd.Store
	free  func() error
}

// startSite starts the Site and waits until it is up.
func startSite(ctx context.Context, s settings, binary, dir string, args ...string) (*theSite, error) {
	t := &theSite{facts: filepath.Join(dir, "dev.json")}
	t.dev = exec.Command(binary, append([]string{"dev", "--brokers=3", "--standby=1", "--data-dir=" + dir,
		fmt.Sprint("--providers=", s.providers), fmt.Sprint("--port=", s.port), "--lease-ttl=" + s.ttl.String(),
		"--restart-after=200ms", "--hold-down=1ms"}, args...)...)
	t.dev.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	t.dev.Stderr = os.Stderr
	story, err := t.dev.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := t.dev.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(story)
	for lines.Scan() && !strings.Contains(lines.Text(), "What happens from now on") {
		continue
	}
	go func() {
		for lines.Scan() { // the story is not told here
		}
	}()
	facts, err := t.read()
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	var urls []string
	for _, b := range facts.Brokers {
		urls = append(urls, b.URL)
	}
	t.api = client.New(facts.Token, urls...)
	etcdClient, err := etcd.Dial(etcd.DialConfig{Endpoints: facts.Etcd})
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	t.free = etcdClient.Close
	if t.store, err = etcd.New(etcd.Config{Client: etcdClient}); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// close stops everything that was started.
func (t *theSite) close() error {
	var errs []error
	if t.api != nil {
		t.api.Close()
	}
	if t.free != nil {
		errs = append(errs, t.free())
	}
	errs = append(errs, t.dev.Process.Signal(syscall.SIGTERM), t.dev.Wait())
	return errors.Join(errs...)
}

func (t *theSite) read() (facts dev.Facts, err error) {
	text, err := os.ReadFile(t.facts)
	if err != nil {
		return facts, err
	}
	return facts, json.Unmarshal(text, &facts)
}

// kill is kill -9 of the owner of vc-1.
func (t *theSite) kill(ctx context.Context) (sample, error) {
	return t.end(ctx, syscall.SIGKILL)
}

// stop is SIGTERM of the owner of vc-1.
func (t *theSite) stop(ctx context.Context) (sample, error) { return t.end(ctx, syscall.SIGTERM) }

func (t *theSite) end(ctx context.Context, signal syscall.Signal) (sample, error) {
	p, err := t.atRest(ctx)
	if err != nil {
		return sample{}, err
	}
	victim := p.Owners["vc-1"].Value.Owner()
	pid, err := t.pid(victim.Broker)
	if err != nil {
		return sample{}, err
	}
	// etcd looks for expired leases twice a second, and being at rest is in step
	// with that: a random moment is not.
	time.Sleep(rand.N(time.Second))
	return t.measure(ctx, p.Revision, func() error { return syscall.Kill(pid, signal) },
		func(p *farm.Picture) bool { return connected(p) && !owns(p, victim) })
}

// pause is SIGSTOP of the owner of vc-1, until it has lost what it owns.
func (t *theSite) pause(ctx context.Context) (sample, error) {
	p, err := t.atRest(ctx)
	if err != nil {
		return sample{}, err
	}
	pid, err := t.pid(p.Owners["vc-1"].Value.Broker)
	if err != nil {
		return sample{}, err
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	return t.end(ctx, syscall.SIGSTOP)
}

// pid is a broker's process.
func (t *theSite) pid(broker farm.BrokerID) (int, error) {
	facts, err := t.read()
	if err != nil {
		return 0, err
	}
	for _, b := range facts.Brokers {
		if b.ID == string(broker) && b.PID != 0 {
			return b.PID, nil
		}
	}
	return 0, fmt.Errorf("%s has no process", broker)
}

// move moves vc-1 to the next broker with a seat.
func (t *theSite) move(ctx context.Context) (sample, error) {
	p, err := t.atRest(ctx)
	if err != nil {
		return sample{}, err
	}
	seats := p.Seats.Value.Seats
	i := slices.IndexFunc(seats, func(s farm.Seat) bool { return s.Occupant == p.Owners["vc-1"].Value.Broker })
	to := seats[(i+1)%len(seats)].Occupant
	return t.measure(ctx, p.Revision, func() error {
		return t.api.Do(ctx, "POST", "/sites/demo/providers/vc-1/move", map[string]string{"broker": string(to)}, nil)
	}, func(p *farm.Picture) bool { return p.Owners["vc-1"].Value.Broker == to && connected(p) })
}

// measure does something and waits for its end, then looks at every revision
// in between.
func (t *theSite) measure(ctx context.Context, from farm.Revision, do func() error, ended func(*farm.Picture) bool) (sample, error) {
	began := time.Now()
	if err := do(); err != nil {
		return sample{}, err
	}
	p, err := t.await(ctx, ended)
	if err != nil {
		return sample{}, err
	}
	s := sample{took: time.Since(began)}
	for at := from; at <= p.Revision; at++ {
		then, err := t.store.At(ctx, "demo", at)
		if err != nil {
			return s, err
		}
		for id := range then.Providers {
			if !then.Alive(then.Owners[id].Value.Owner()) {
				s.unowned++
			}
		}
	}
	return s, nil
}

// atRest waits until everybody is at home and nothing is left to do.
func (t *theSite) atRest(ctx context.Context) (*farm.Picture, error) {
	return t.await(ctx, func(p *farm.Picture) bool {
		for _, seat := range p.Seats.Value.Seats {
			if seat.Occupant != seat.Broker || p.Presence[seat.Broker].Leaving {
				return false
			}
		}
		out := farm.Plan(farm.Situation{Picture: p})
		return p.Seats.Value.State == farm.StateOn && len(p.Presence) == len(p.Brokers) &&
			connected(p) && out.Seats == nil && len(out.Decisions) == 0
	})
}

func (t *theSite) await(ctx context.Context, is func(*farm.Picture) bool) (*farm.Picture, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for view := t.store.Latest(); ; {
		if p := view.Sites["demo"]; p != nil && is(p) {
			return p, nil
		}
		next, err := t.store.Wait(ctx, view.Revision)
		if err != nil {
			return nil, fmt.Errorf("the Site never came to what was waited for: %w", err)
		}
		view = next
	}
}

func connected(p *farm.Picture) bool {
	for id := range p.Providers {
		if o := p.Owners[id].Value; o.Target != "" || !p.Alive(o.Owner()) || p.ProviderStatus(id).State != farm.ProviderConnected {
			return false
		}
	}
	return true
}

func owns(p *farm.Picture, l farm.Life) bool {
	for _, o := range p.Owners {
		if o.Value.Owner() == l {
			return true
		}
	}
	return false
}
