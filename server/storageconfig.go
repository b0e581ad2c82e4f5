package server

import "strings"

// StorageConfig says where the Farm's memory is and how it is read. Every
// command that speaks to it has these flags.
type StorageConfig struct {
	Etcd       []string `help:"URLs of etcd's members, separated by commas." default:"${etcd}"`
	EtcdCA     string   `name:"etcd-ca" help:"CA file that etcd's certificates are checked with (PEM)." placeholder:"FILE"`
	EtcdCert   string   `name:"etcd-cert" help:"Client certificate file for etcd (PEM)." placeholder:"FILE"`
	EtcdKey    string   `name:"etcd-key" help:"Key file of --etcd-cert (PEM)." placeholder:"FILE"`
	EtcdPrefix string   `name:"etcd-prefix" help:"Where in etcd the Farm is kept." default:"${etcd_prefix}"`

	SecretKeyFile string `name:"secret-key-file" help:"File that holds the key that Providers' secrets are encrypted with; make one with 'quorate keygen'. Without it no secret can be stored." placeholder:"FILE"`

	// NewFarm lets a command that is no server make a Farm where there is none.
	NewFarm bool `kong:"-"`
}

// DefaultStorageConfig finds etcd on this machine.
func DefaultStorageConfig() StorageConfig {
	return StorageConfig{Etcd: []string{"http://127.0.0.1:2379"}, EtcdPrefix: "/quorate/"}
}

// Validate reports everything that is wrong with the settings.
func (c StorageConfig) Validate() error {
	var f faults
	c.checkStorage(&f)
	return f.err()
}

func (c StorageConfig) checkStorage(f *faults) {
	f.unless(len(c.Etcd) > 0, "--etcd", "needs at least one URL")
	for _, u := range c.Etcd {
		f.unless(isHTTP(u), "--etcd", "must be URLs such as http://10.0.0.1:2379; one is %q", u)
	}
	https := 0
	for _, u := range c.Etcd {
		if strings.HasPrefix(u, "https://") {
			https++
		}
	}
	f.unless(https == 0 || https == len(c.Etcd), "--etcd", "must be https for all or for none: %q would send passwords in plain text to some", c.Etcd)
	f.unless(https > 0 || c.EtcdCA == "", "--etcd-ca", "is for TLS: --etcd must be https")
	f.unless(https > 0 || c.EtcdCert == "", "--etcd-cert", "is for TLS: --etcd must be https")
	f.pair("--etcd-cert", c.EtcdCert, "--etcd-key", c.EtcdKey)
	f.unless(len(c.EtcdPrefix) > 2 && strings.HasPrefix(c.EtcdPrefix, "/") && strings.HasSuffix(c.EtcdPrefix, "/"),
		"--etcd-prefix", "must begin and end with a slash, such as /quorate/; it is %q", c.EtcdPrefix)
}
