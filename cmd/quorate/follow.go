package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
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
	return client.New(strings.TrimSpace(string(token)), a.URLs...), nil
}

// followCommand tells a Site's story.
type followCommand struct {
	asking `embed:""`
	For    time.Duration `help:"How long to follow. Default: until it is interrupted." placeholder:"DURATION"`
}

func (c *followCommand) Run(ctx context.Context, to streams) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	defer api.Close()
	if c.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	err = api.Watch(ctx, c.Site, func(_ client.State, events []client.Event) error {
		for _, e := range events {
			fmt.Fprintf(to.out, "%s  %s\n", e.Time.Local().Format("15:04:05.000"), e.Sentence())
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// awaitCommand waits until nothing is wrong with a Site's Providers.
type awaitCommand struct {
	asking  `embed:""`
	Without string        `help:"Wait also until this broker owns none of them." placeholder:"BROKER"`
	Home    bool          `help:"Wait also until each is with its home broker."`
	Timeout time.Duration `help:"How long to wait." default:"2m"`
}

func (c *awaitCommand) Run(ctx context.Context, to streams) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	defer api.Close()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	now, err := api.Await(ctx, c.Site, "every Provider is as asked", c.met)
	if err != nil && len(now.Providers) == 0 {
		return err
	}
	table(to.out, now)
	if err != nil {
		return errors.New("not every Provider is as asked")
	}
	return nil
}

// met: there are Providers, and each enabled one is connected and where it is
// asked to be.
func (c *awaitCommand) met(now client.State) bool {
	for _, p := range now.Providers {
		s := p.Status
		switch {
		case s.State == "disabled":
		case s.State != "connected", s.Owner == c.Without, c.Home && s.Home != "" && s.Owner != s.Home:
			return false
		}
	}
	return len(now.Providers) > 0
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
