package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/quorate/quorate/server/client"
)

// asking is how a command speaks to a Farm's servers.
type asking struct {
	Site      string   `help:"The Site." required:"" placeholder:"ID"`
	TokenFile string   `name:"token-file" help:"File that holds an API token." required:"" placeholder:"FILE"`
	URLs      []string `arg:"" optional:"" name:"url" default:"http://127.0.0.1:8080" env:"QUORATE_URL" help:"Base URLs of the servers; when one is away the next is asked. SSL_CERT_FILE names the authority of their certificates, if it is not one that this machine trusts."`
}

func (a asking) client() (*client.Client, error) {
	token, err := os.ReadFile(a.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("--token-file: %w", err)
	}
	if len(strings.Fields(string(token))) != 1 {
		return nil, fmt.Errorf("--token-file: %s must hold one token", a.TokenFile)
	}
	return client.New(strings.TrimSpace(string(token)), a.URLs...), nil
}

// watching tells a person at the other end why there is nothing to see.
type watching struct {
	asking
	out  io.Writer
	seen bool  // a server has shown the Site
	in   int   // how often it has not worked since
	last error // why
}

// trouble ends what cannot get better by itself, and says once that the rest does not
// work now. A stream that breaks once is taken up by another server, or a moment later.
func (w *watching) trouble(err error) error {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound} {
		var p *client.Problem
		if client.IsStatus(err, status) && errors.As(err, &p) {
			return p
		}
	}
	w.in, w.last = w.in+1, err
	if tell := 2; w.in == tell || !w.seen && w.in == 1 {
		w.in = tell
		fmt.Fprintf(w.out, "Cannot reach %s, trying again: %s\n", strings.Join(w.URLs, ", "), plain(err))
	}
	return nil
}

// works notes that a server has shown the Site.
func (w *watching) works() { w.seen, w.in = true, 0 }

// plain is an error on one line, without what only says that there is one.
func plain(err error) string {
	return strings.ReplaceAll(strings.TrimPrefix(err.Error(), client.ErrBroken.Error()+": "), "\n", "; ")
}

func (a asking) watching(out io.Writer) (*client.Client, *watching, error) {
	api, err := a.client()
	if err != nil {
		return nil, nil, err
	}
	w := &watching{asking: a, out: out}
	api.Trouble = w.trouble
	return api, w, nil
}

// followCommand tells a Site's story.
type followCommand struct {
	asking `embed:""`
	For    time.Duration `help:"How long to follow. Default: until it is interrupted." placeholder:"DURATION"`
}

func (c *followCommand) Run(ctx context.Context, to streams) error {
	api, w, err := c.watching(to.err)
	if err != nil {
		return err
	}
	defer api.Close()
	asked := ctx
	if c.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	err = api.Watch(ctx, c.Site, func(now client.State, events []client.Event) error {
		if !w.seen {
			s := now.Site.Status
			fmt.Fprintf(to.err, "Following Site %s: high availability is %s, %d of %d brokers are online, %d of %d Providers connected.\n", c.Site,
				s.HighAvailability.State, s.Brokers.Online, s.Brokers.Total, s.Providers.Connected, s.Providers.Total)
		}
		w.works()
		for _, e := range events {
			fmt.Fprintf(to.out, "%s  %s\n", e.Time.Local().Format("15:04:05.000"), e.Sentence())
		}
		return nil
	})
	switch {
	case ctx.Err() == nil:
		return err
	case !w.seen && asked.Err() == nil:
		return fmt.Errorf("nobody could be followed within %v", c.For)
	}
	return nil
}

// awaitCommand waits until nothing is wrong with a Site's Providers.
type awaitCommand struct {
	asking  `embed:""`
	Without string        `help:"Wait also until this broker owns none of them." placeholder:"BROKER"`
	Home    bool          `help:"Wait also until each is with its home broker."`
	Timeout time.Duration `help:"How long to wait." default:"2m"`
}

// errMet ends a watch whose caller has what it waited for.
var errMet = errors.New("every Provider is as asked")

func (c *awaitCommand) Run(ctx context.Context, to streams) error {
	api, w, err := c.watching(to.err)
	if err != nil {
		return err
	}
	defer api.Close()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var now client.State
	err = api.Watch(ctx, c.Site, func(s client.State, _ []client.Event) error {
		w.works()
		now = s
		if _, known := s.Brokers[c.Without]; c.Without != "" && !known {
			return fmt.Errorf("--without: Site %s has no broker %s; it has %s", c.Site, c.Without, strings.Join(slices.Sorted(maps.Keys(s.Brokers)), ", "))
		}
		if len(s.Providers) > 0 && len(c.unmet(s)) == 0 {
			return errMet
		}
		return nil
	})
	switch {
	case errors.Is(err, errMet):
		table(to.out, now)
		return nil
	case ctx.Err() == nil:
		return err
	case !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errors.New("interrupted")
	case !w.seen && w.last == nil:
		return fmt.Errorf("no server has shown Site %s within %v", c.Site, c.Timeout)
	case !w.seen:
		return fmt.Errorf("no server has shown Site %s within %v: %s", c.Site, c.Timeout, plain(w.last))
	case len(now.Providers) == 0:
		return fmt.Errorf("Site %s has no Provider to wait for", c.Site)
	}
	table(to.out, now)
	unmet := c.unmet(now)
	return fmt.Errorf("%d of %d Providers are not as asked after %v:\n  %s", len(unmet), len(now.Providers), c.Timeout, strings.Join(unmet, "\n  "))
}

// unmet says of each enabled Provider what it was asked to be and is not.
func (c *awaitCommand) unmet(now client.State) (all []string) {
	for _, id := range slices.Sorted(maps.Keys(now.Providers)) {
		s := now.Providers[id].Status
		asked := "connected"
		switch {
		case s.State == "disabled":
			continue
		case s.Owner == c.Without && c.Without != "":
			asked += ", with another broker than " + c.Without
		case c.Home && s.Home != "" && s.Owner != s.Home:
			asked += " at its home " + s.Home
		case s.State == "connected":
			continue
		}
		all = append(all, fmt.Sprintf("%s is %s at %s; asked for: %s", id, s.State, orNobody(s.Owner), asked))
	}
	return all
}

// table shows each Provider on a line: its name, state, owner and reason.
func table(out io.Writer, now client.State) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, id := range slices.Sorted(maps.Keys(now.Providers)) {
		s := now.Providers[id].Status
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", id, s.State, orNobody(s.Owner), strings.TrimSpace(s.Reason+" "+s.Message))
	}
	_ = w.Flush() // the terminal is gone if this fails
}

func orNobody(owner string) string {
	if owner == "" {
		return "nobody"
	}
	return owner
}
