package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quorate/quorate/server"
)

// done is a fault that was done.
type done struct {
	Number    int           `json:"number"`
	Round     int           `json:"round"`
	Kind      string        `json:"kind"`
	What      string        `json:"what"`
	Hold      time.Duration `json:"holdNanoseconds"`
	Connected time.Duration `json:"connectedNanoseconds"` // after all of its round had healed

	begin, end int64 // by the machine's clock
	fault      fault
	alone      bool
}

func (d done) String() string {
	healed := "heals by itself"
	if d.fault.heal != nil {
		healed = "healed after " + seconds(time.Duration(d.end-d.begin))
	}
	return fmt.Sprintf("%4d  round %-4d %-12s %-48s %-18s all connected after %s", d.Number, d.Round, d.Kind, d.What, healed, seconds(d.Connected))
}

// chosen is the kinds to draw from.
func (s settings) chosen() (of []kind, err error) {
	if s.only == "" {
		return kinds(), nil
	}
	for _, name := range strings.Split(s.only, ",") {
		i := slices.IndexFunc(kinds(), func(k kind) bool { return k.name == name })
		if i < 0 {
			return nil, fmt.Errorf("-only: there is no kind %q; -only list shows all", name)
		}
		of = append(of, kinds()[i])
	}
	return of, nil
}

// round draws the faults of a round, and when each begins. It depends on the
// seed and the round's number only.
func (l *lab) round(of []kind, number int) (faults []fault, at []time.Duration) {
	r := rand.New(rand.NewPCG(l.seed, uint64(number)))
	want := min([]int{1, 1, 1, 2, 2, 3, 4, 5}[r.IntN(8)], l.together)
	for len(faults) < want {
		k := pick(of, r)
		if k.solo && len(faults) > 0 {
			break
		}
		f := k.draw(l, r)
		f.kind = k.name
		begin := time.Duration(0)
		if len(faults) > 0 {
			begin = between(r, 10*time.Millisecond, 3*time.Second)
		}
		faults, at = append(faults, f), append(at, begin)
		if k.solo {
			break
		}
	}
	return faults, at
}

func pick(of []kind, r *rand.Rand) kind {
	sum := 0
	for _, k := range of {
		sum += k.weight
	}
	n := r.IntN(sum)
	for _, k := range of {
		if n -= k.weight; n < 0 {
			return k
		}
	}
	panic("the weights have another sum")
}

const (
	healing = 2 * time.Minute  // for a fault to be undone
	limit   = 90 * time.Second // until all are connected: bounds are reported, this fails
)

// harm does round after round until the time or the number of faults is over.
func (l *lab) harm(ctx context.Context, out io.Writer) (all []done, err error) {
	of, err := l.chosen()
	if err != nil {
		return nil, err
	}
	until := time.Now().Add(time.Duration(l.minutes * float64(time.Minute)))
	for number := 1; len(all) < l.faults && time.Now().Before(until) && ctx.Err() == nil; number++ {
		faults, at := l.round(of, number)
		dones, err := l.do(ctx, faults, at)
		if err != nil {
			return all, fmt.Errorf("round %d: %w", number, err)
		}
		began := time.Now()
		try, cancel := context.WithTimeout(ctx, limit)
		err = l.connected(try)
		cancel()
		for _, d := range dones {
			d.Number, d.Round, d.Connected = len(all)+1, number, time.Since(began)
			all = append(all, d)
			fmt.Fprintln(out, d)
		}
		if err != nil {
			return all, fmt.Errorf("round %d: %v after it had healed: %w", number, limit, err)
		}
	}
	return all, nil
}

// do does the faults of a round and undoes all of them.
func (l *lab) do(ctx context.Context, faults []fault, at []time.Duration) ([]done, error) {
	dones := make([]done, len(faults))
	var g errgroup.Group
	for i, f := range faults {
		g.Go(func() error {
			d := done{Kind: f.kind, What: f.what, Hold: f.hold, fault: f, alone: len(faults) == 1}
			wait(ctx, at[i])
			hit := f.hit(ctx)
			d.begin = server.Monotonic()
			if f.chosen != nil {
				d.What = strings.TrimSpace(f.chosen() + " " + f.what)
			}
			wait(ctx, f.hold)
			d.end = server.Monotonic()
			dones[i] = d
			if f.heal == nil {
				return hit
			}
			// Also when the run is to end.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healing)
			defer cancel()
			if err := f.heal(ctx); err != nil {
				return errors.Join(hit, fmt.Errorf("healing %s %s: %w", f.kind, f.what, err))
			}
			return hit
		})
	}
	err := g.Wait()
	if err := errors.Join(err, ctx.Err()); err != nil {
		return dones, err
	}
	return dones, l.tidy(ctx)
}

// tidy sees to it that everything runs, as far as faults have met each other.
func (l *lab) tidy(ctx context.Context) error {
	err := all(l.members, func(m *member) error {
		m.signal(syscall.SIGCONT)
		return m.start()
	})
	return errors.Join(err, all(l.hosts, func(h *host) error { return h.whole(ctx) }))
}

// wait lets d pass: a fault lasts, nothing is awaited.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
