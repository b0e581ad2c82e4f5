package main

import (
	"context"

	"github.com/quorate/quorate/server"
)

type raiseEpochsCommand struct {
	server.RaiseEpochsConfig `embed:""`
}

func (c *raiseEpochsCommand) Run(ctx context.Context, to streams) error {
	return server.RaiseEpochs(ctx, c.RaiseEpochsConfig, to.out, to.err)
}
