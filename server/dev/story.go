package dev

import (
	"context"
	"fmt"
	"io"
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
Site %q is up after %.1fs: %d brokers, %d standby, %d Providers, everything connected.

  Console     %[6]s/
  Swagger UI  %[6]s/swagger/
  Token       %[7]s
  Facts       %[8]s   (logs beside it in logs/)

Look:   curl -H "Authorization: Bearer %[7]s" %[6]s/api/v1/sites/%[1]s/providers
`, site, took.Seconds(), d.Brokers, d.Standby, d.Providers, d.all[0].url, d.keys.token, d.dir.file("dev.json"))
	if victim != "" && now.Site.Status.HighAvailability.State == "on" {
		d.say.line("Try:    kill -9 %d        # %s, the owner of %s: another broker takes over within %v\n", d.pid(victim), victim, providerID(0), bounds.BrokerLost)
	}
	d.say.line("Ctrl-C stops everything. What happens from now on:")
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
