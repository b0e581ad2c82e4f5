package main

import (
	"context"

	"github.com/quorate/quorate/server"
)

// rootTokenCommand is for the token that everybody uses.
type rootTokenCommand struct {
	Replace replaceRootTokenCommand `cmd:"" help:"Make a new root token and write it to a file; the old one is refused from then on. For a token that is lost, or known to somebody who should not know it. Speaks to etcd; servers may run."`
}

type replaceRootTokenCommand struct {
	server.ReplaceRootTokenConfig `embed:""`
}

func (c *replaceRootTokenCommand) Run(ctx context.Context, to streams) error {
	return server.ReplaceRootToken(ctx, c.ReplaceRootTokenConfig, to.out, to.err)
}
