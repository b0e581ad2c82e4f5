package main

import (
	"context"
	"os"

	"github.com/quorate/quorate/server"
)

type exportCommand struct {
	server.ExportConfig `embed:""`
}

func (c *exportCommand) Run(ctx context.Context, to streams) error {
	return server.Export(ctx, c.ExportConfig, to.out, to.err)
}

type importCommand struct {
	server.ImportConfig `embed:""`
}

func (c *importCommand) Run(ctx context.Context, to streams) error {
	return server.Import(ctx, c.ImportConfig, os.Stdin, to.out, to.err)
}
