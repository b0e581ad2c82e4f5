package server

import (
	"crypto/tls"
	"net"

	"github.com/quorate/quorate/store"
)

// What follows lets `quorate doctor` see with the server's own eyes: what it
// judges is read by the code that will read it when it is for real.

// EtcdTLS is how etcd is spoken to; nil if the URLs alone decide.
func (c Config) EtcdTLS() (*tls.Config, error) { return etcdTLS(c.StorageConfig) }

// Sealer is made of --secret-key-file; nil without it.
func (c Config) Sealer() (*store.Sealer, error) { return openSealer(c.SecretKeyFile) }

// RootToken is the one in --root-token-file; empty without it.
func (c Config) RootToken() (string, error) { return readRootToken(c.RootTokenFile) }

// Knows reports whether the Farm has the token.
func Knows(v *store.View, token string) bool {
	_, known := v.Tokens[hashToken(token)]
	return known
}

// LocalURL is where this machine finds the server itself.
func (c Config) LocalURL() string {
	host, port, _ := net.SplitHostPort(c.Listen)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// AddressHint is an example address of a type of Providers; empty if the type
// is not known or its Providers have no address of their own.
func AddressHint(providerType string) string {
	for _, d := range drivers() {
		if t := d.Type(); t.ID == providerType {
			return t.AddressHint
		}
	}
	return ""
}

// Advertised is the base URL that the server tells others.
func (c Config) Advertised() string {
	_, port, _ := net.SplitHostPort(c.Listen)
	return c.advertised(listening(port))
}

// listening is an address of which only the port matters.
type listening string

func (listening) Network() string  { return "tcp" }
func (l listening) String() string { return net.JoinHostPort("", string(l)) }
