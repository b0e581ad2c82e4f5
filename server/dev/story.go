package dev

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/server/client"
)

// teller writes one line at a time.
type teller struct {
	mu  sync.Mutex
	out io.Writer
}

func (t *teller) line(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, format+"\n", args...)
}

// now is a line with the time in front.
func (t *teller) now(format string, args ...any) { t.at(time.Now(), format, args...) }

func (t *teller) at(when time.Time, format string, args ...any) {
	t.line(when.Local().Format("15:04:05.000")+"  "+format, args...)
}

// welcome says what is there and what to try.
func (d *run) welcome(now client.State, took time.Duration) {
	bounds := farm.Timing{TTL: d.LeaseTTL, Election: election}.Bounds()
	victim := now.Providers[providerID(0)].Status.Owner
	d.say.line(`
Site %q is up after %.1fs: %s, everything connected.

  Console     %[4]s/
  Swagger UI  %[4]s/swagger/
  Token       %[5]s
  Facts       %[6]s   (logs beside it in logs/)

Look:   curl -H "Authorization: Bearer %[5]s" %[4]s/api/v1/sites/%[1]s/providers
`, site, took.Seconds(), d.contents(now), d.all[0].url, d.keys.token, d.dir.file("dev.json"))
	if left := d.leftovers(now); len(left) > 0 {
		d.say.line("Of an earlier run with this data directory, and without anything behind it now: %s.\n", strings.Join(left, ", "))
	}
	if victim != "" && now.Site.Status.HighAvailability.State == "on" {
		within := bounds.ProcessDied
		if d.NoGuard {
			within = bounds.BrokerLost
		}
		d.say.line("Try:    kill -9 %d        # %s, the owner of %s: another broker takes over within %v\n", d.pid(victim), victim, providerID(0), within)
	}
	d.say.line("Ctrl-C stops everything. What happens from now on:")
}

// contents says what of the Site this run has started. A broker that an earlier
// run has made keeps its mode, whatever the flags say now.
func (d *run) contents(now client.State) string {
	standby := 0
	for _, b := range d.all {
		if now.Brokers[b.id].Mode == "standby" {
			standby++
		}
	}
	return count(len(d.all)-standby, "active broker") + ", " + count(standby, "standby broker") + ", " + count(len(d.sims), "Provider")
}

// leftovers are the brokers and Providers that the Site has and this run has not,
// and that nobody else runs.
func (d *run) leftovers(now client.State) []string {
	brokers, providers := maps.Clone(now.Brokers), maps.Clone(now.Providers)
	for _, b := range d.all {
		delete(brokers, b.id)
	}
	maps.DeleteFunc(brokers, func(_ string, b client.Broker) bool { return b.Status.State == "online" })
	for i := range d.sims {
		delete(providers, providerID(i))
	}
	maps.DeleteFunc(providers, func(_ string, p client.Provider) bool { return p.Status.State == "connected" })
	return append(slices.Sorted(maps.Keys(brokers)), slices.Sorted(maps.Keys(providers))...)
}

// count is a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func (d *run) pid(id string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pids[id]
}

// tell writes a line for each thing that happens in the Site, until ctx ends.
func (d *run) tell(ctx context.Context) error {
	return d.api.Watch(ctx, site, func(_ client.State, events []client.Event) error {
		for _, e := range events {
			d.say.at(e.Time, "%s", e.Sentence())
		}
		return ctx.Err()
	})
}
