package main

import (
	"context"
	"io"
	"log"

	"github.com/quorate/quorate/server/peers"
)

// simulatorCommand is a Provider to try things out with.
type simulatorCommand struct {
	VSphere vsphereCommand `cmd:"" name:"vsphere" help:"A simulated vCenter."`
	PCs     pcsCommand     `cmd:"" name:"pcs" help:"A pool of PCs, each a port that accepts connections."`
}

type vsphereCommand struct {
	peers.VSphere `embed:""`
}

func (c *vsphereCommand) Run(ctx context.Context, to streams) error {
	// The simulator tells the standard logger of every client that is killed.
	log.SetOutput(io.Discard)
	return c.VSphere.Run(ctx, to.out)
}

type pcsCommand struct {
	peers.PCs `embed:""`
}

func (c *pcsCommand) Run(ctx context.Context, to streams) error { return c.PCs.Run(ctx, to.out) }
