package main

import (
	"context"

	"github.com/quorate/quorate/server"
)

// secretKeyCommand replaces the key in four steps; its help tells their order.
type secretKeyCommand struct {
	List    listKeysCommand   `cmd:"" help:"Show the keys of a file, and which one is primary. A running server tells its own at /readyz."`
	Add     addKeyCommand     `cmd:"" help:"1. Add a new key to the file. It decrypts, and does not encrypt yet. Then give the file to every server and restart them, one after the other."`
	Promote promoteKeyCommand `cmd:"" help:"2. Make the key that was added last primary: it encrypts. Then give the file to every server and restart them, one after the other."`
	Reseal  resealCommand     `cmd:"" help:"3. Encrypt every stored password anew with the primary key, while servers run. Speaks to etcd; changes no file."`
	Retire  retireKeyCommand  `cmd:"" help:"4. Drop the other keys from the file. It is kept as it was under another name: snapshots from before need it."`
}

type keyFile struct {
	File string `arg:"" help:"The file that --secret-key-file names. It is rewritten as a whole or not at all; who may read it stays the same."`
}

type (
	listKeysCommand struct {
		File string `arg:"" help:"A file for --secret-key-file."`
	}
	addKeyCommand struct {
		keyFile `embed:""`
	}
	promoteKeyCommand struct {
		keyFile `embed:""`
	}
	retireKeyCommand struct {
		keyFile `embed:""`
	}
)

func (c *listKeysCommand) Run(to streams) error   { return server.ListSecretKeys(c.File, to.out) }
func (c *addKeyCommand) Run(to streams) error     { return server.AddSecretKey(c.File, to.out) }
func (c *promoteKeyCommand) Run(to streams) error { return server.PromoteSecretKey(c.File, to.out) }
func (c *retireKeyCommand) Run(to streams) error  { return server.RetireSecretKeys(c.File, to.out) }

type resealCommand struct {
	server.ResealConfig `embed:""`
}

func (c *resealCommand) Run(ctx context.Context, to streams) error {
	return server.Reseal(ctx, c.ResealConfig, to.out, to.err)
}
