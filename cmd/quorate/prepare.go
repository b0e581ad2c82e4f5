package main

import "github.com/quorate/quorate/server/prepare"

type prepareCommand struct {
	prepare.Config `embed:""`
}

func (c *prepareCommand) Run(to streams) error { return prepare.Run(c.Config, to.out) }
