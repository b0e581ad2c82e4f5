// Faults is a laboratory: it runs a Site of real servers over three real etcd
// members, each in a network namespace of its own, does to it what a seed draws,
// and judges what all of them have recorded. Providers never have two owners, or
// the run fails.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// settings of a run.
type settings struct {
	minutes  float64
	faults   int
	seed     uint64
	active   int
	standby  int
	vcenters int
	pools    int
	ttl      time.Duration
	together int
	only     string // kinds, with commas between them; empty: all
	json     string
	keep     bool
	race     bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	var s settings
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.Float64Var(&s.minutes, "minutes", 5, "how long to do harm; no round begins after that")
	flags.IntVar(&s.faults, "faults", 1000, "how many faults at most")
	flags.Uint64Var(&s.seed, "seed", rand.Uint64N(1_000_000), "what to draw the faults from")
	flags.IntVar(&s.active, "active", 3, "active brokers")
	flags.IntVar(&s.standby, "standby", 1, "standby brokers")
	flags.IntVar(&s.vcenters, "vcenters", 2, "simulated vCenters")
	flags.IntVar(&s.pools, "pools", 4, "simulated pools of PCs")
	flags.DurationVar(&s.ttl, "lease-ttl", time.Second, "lease of each broker")
	flags.IntVar(&s.together, "together", 5, "how many faults at once at most; what is published for one is judged when it is alone")
	flags.StringVar(&s.only, "only", "", "these kinds of faults, with commas between them; -only list shows all")
	flags.StringVar(&s.json, "json", "out/faults.json", "where to write the report")
	flags.BoolVar(&s.keep, "keep", false, "keep logs and data also if nothing failed")
	flags.BoolVar(&s.race, "race", false, "build the server with the race detector")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.only == "list" {
		for _, k := range kinds() {
			fmt.Fprintf(out, "%-18s %s\n", k.name, k.what)
		}
		return nil
	}
	if why := missing(); why != "" {
		return fmt.Errorf("not on this machine: %s", why)
	}
	return experiment(ctx, s, out)
}
