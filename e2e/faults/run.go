package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
)

// experiment is a whole run. Its error says what was wrong.
func experiment(ctx context.Context, s settings, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "quorate-faults-")
	if err != nil {
		return err
	}
	l := &lab{settings: s, dir: dir}
	fmt.Fprintf(out, "seed %d; skipped: the clock of one server (all processes of a machine share it), a slow disk (an etcd member stutters instead), delay between brokers and etcd other than by a slow line\n", s.seed)
	v := &verdict{Seed: s.seed}
	defer func() {
		if s.keep || err != nil && ctx.Err() == nil {
			fmt.Fprintln(out, "logs and data are in", dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	began := time.Now()
	err = l.experiment(ctx, v, out)
	v.Took = time.Since(began)
	l.close(out)
	if l.net != nil && len(l.net.left()) > 0 {
		v.wrong("namespaces are left: %v", l.net.left())
	}
	if err != nil {
		v.wrong("%v", err)
	}
	v.print(out)
	printTimes(out, "until a next owner's first call", v.Takeovers, func(kind string) time.Duration { return bound(kind, l.bounds) })
	printTimes(out, "until all was abandoned", v.Silences, func(kind string) time.Duration { return abandoned(kind, l) })
	for _, wrong := range v.Wrong {
		fmt.Fprintln(out, "WRONG:", wrong)
	}
	if err := v.write(s.json); err != nil {
		return err
	}
	if len(v.Wrong) > 0 {
		return fmt.Errorf("seed %d: %d things were wrong; the first: %s", s.seed, len(v.Wrong), v.Wrong[0])
	}
	return nil
}

// experiment does harm while clients write and read and an eye is kept on etcd.
func (l *lab) experiment(ctx context.Context, v *verdict, out io.Writer) error {
	ctx, end := context.WithCancel(ctx)
	var g errgroup.Group
	defer func() { end(); _ = g.Wait() }()
	if err := l.open(ctx); err != nil {
		return err
	}
	g.Go(func() error { return l.eye.run(ctx) })
	if err := l.furnish(ctx); err != nil {
		return err
	}
	keys, err := l.stored(ctx)
	if err != nil {
		return err
	}
	c := &clients{servers: l.apis, registers: []string{"/api/v1/sites/" + site, providersPath + l.providers[0]}}
	for _, id := range l.ids() {
		c.registers = append(c.registers, "/api/v1/sites/"+site+"/brokers/"+id)
	}
	work, stopWork := context.WithCancel(ctx)
	defer stopWork()
	var working errgroup.Group
	working.Go(func() error { return c.run(work, 4) })
	wait(ctx, 2*time.Second) // so that the servers have met their clients
	routines, err := l.goroutines(ctx)
	if err != nil {
		return err
	}
	var harm error
	v.Faults, harm = l.harm(ctx, out)
	stopWork()
	_ = working.Wait()
	if harm == nil {
		harm = l.rest(ctx)
	}
	if harm == nil {
		c.last(ctx)
		harm = v.leaks(ctx, l, keys, routines)
	}
	return errors.Join(harm, v.judge(l, c.history))
}

// print shows times by kind, and what was found.
func (v *verdict) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "\nfault\tn\tall connected after p50\tp99\tworst")
	by := map[string][]time.Duration{}
	for _, d := range v.Faults {
		by[d.Kind] = append(by[d.Kind], d.Connected)
	}
	for _, k := range kinds() {
		if times := by[k.name]; len(times) > 0 {
			slices.Sort(times)
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", k.name, len(times), seconds(times[len(times)/2]), seconds(times[len(times)*99/100]), seconds(times[len(times)-1]))
		}
	}
	_ = w.Flush()
	fmt.Fprintf(out, `
%d faults in %v, seed %d
calls           %d recorded, %d overlaps
arrivals        %d seen by the witness, %d sent in time and delivered after the next owner's first call (at most %v)
owner changes   %d, each judged, as %d writes of agents (%d times history was compacted unseen)
clients         %d operations, %d of them with an unknown end; linearizable: %s
goroutines      %v
`, len(v.Faults), v.Took.Round(time.Second), v.Seed, v.Calls, len(v.Overlaps), v.Arrivals, v.Late, v.Latest.Round(time.Millisecond),
		v.Changes, v.Reports, v.Gaps, v.Operations, v.Unknown, v.Linearizable, v.Goroutines)
}

func (v *verdict) write(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
