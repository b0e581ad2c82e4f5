// Package peers runs Providers to try things out with: a vSphere simulator, and
// a pool of PCs that accept connections.
package peers

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/quorate/quorate/provider/vsphere/vspheresim"
)

// VSphere is a simulated vCenter.
type VSphere struct {
	Listen       string `help:"Address to listen on." default:":8989"`
	Hosts        int    `help:"Number of VMs; every fifth is off." default:"10"`
	Prefix       string `help:"Beginning of the VMs' names." default:"desktop-"`
	Username     string `help:"What a login must give." default:"quorate@vsphere.local"`
	PasswordFile string `name:"password-file" help:"File with what a login must give as password. Default: 'quorate'." placeholder:"FILE"`
	TLSCert      string `name:"tls-cert" help:"Certificate file (PEM). Default: one that it signs itself." placeholder:"FILE"`
	TLSKey       string `name:"tls-key" help:"Key file of --tls-cert (PEM)." placeholder:"FILE"`
}

// Run serves until ctx ends.
func (c VSphere) Run(ctx context.Context, out io.Writer) error {
	sim := vspheresim.Config{Hosts: c.Hosts, Prefix: c.Prefix, Username: c.Username}
	if c.Hosts < 1 || c.Hosts > 1000 {
		return fmt.Errorf("--hosts must be from 1 to 1000; it is %d", c.Hosts)
	}
	if c.PasswordFile != "" {
		content, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return fmt.Errorf("--password-file: %w", err)
		}
		if sim.Password = strings.TrimSpace(string(content)); sim.Password == "" {
			return fmt.Errorf("--password-file: %s is empty", c.PasswordFile)
		}
	}
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("--tls-cert, --tls-key: give both or neither")
	case c.TLSCert != "":
		cert, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return fmt.Errorf("--tls-cert, --tls-key: %w", err)
		}
		sim.Certificate = &cert
	}
	var err error
	var lc net.ListenConfig
	if sim.Listener, err = lc.Listen(ctx, "tcp", c.Listen); err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	server, err := vspheresim.Start(sim)
	if err != nil {
		return fmt.Errorf("starting the vSphere simulator: %w", err)
	}
	defer server.Close()
	fmt.Fprintf(out, "A simulated vCenter with %d VMs answers at %s.\n", c.Hosts, server.URL())
	<-ctx.Done()
	return nil
}

// PCs is a pool of PCs, each a port that accepts connections and says nothing.
type PCs struct {
	Listen   string `help:"Address of the first PC; the others have the ports after it." default:":3389"`
	Machines int    `help:"Number of PCs." default:"5"`
}

// Run serves until ctx ends.
func (c PCs) Run(ctx context.Context, out io.Writer) error {
	host, port, err := net.SplitHostPort(c.Listen)
	first, portErr := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil || portErr != nil || c.Machines < 1 || first+c.Machines > 65536 {
		return fmt.Errorf("--listen, --machines must be HOST:PORT or :PORT, and leave every PC a port; they are %q and %d", c.Listen, c.Machines)
	}
	var running sync.WaitGroup
	defer running.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var lc net.ListenConfig
	for i := range c.Machines {
		l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, fmt.Sprint(first+i)))
		if err != nil {
			return fmt.Errorf("--listen: %w", err)
		}
		context.AfterFunc(ctx, func() { _ = l.Close() })
		running.Go(func() { answer(l) })
	}
	fmt.Fprintf(out, "%d PCs accept connections at %s and the ports after it.\n", c.Machines, c.Listen)
	<-ctx.Done()
	return nil
}

// answer accepts and hangs up, which is all that a check of a PC needs.
func answer(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_ = conn.Close()
	}
}
