package vsphere

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/quorate/quorate/provider"
)

// options are a Target's options, as schema describes them.
type options struct {
	CACertificate      string `json:"caCertificate"`
	Thumbprint         string `json:"thumbprint"`
	InsecureSkipVerify bool   `json:"insecureSkipVerify"`
}

// endpoint is where the API is and how its certificate is verified.
type endpoint struct {
	url *url.URL
	tls *tls.Config
}

func endpointOf(t provider.Target) (endpoint, provider.Faults) {
	var faults provider.Faults
	u, wrong := parseAddress(t.Address)
	if wrong != "" {
		faults.Add("/address", "%s", wrong)
	}
	if t.Username == "" {
		faults.Add("/credentials/username", "is required to log in")
	}
	var o options
	if wrong := provider.DecodeOptions(t.Options, &o); len(wrong) > 0 {
		return endpoint{}, faults.And(wrong)
	}
	return endpoint{url: u, tls: o.trust(&faults)}, faults
}

// parseAddress completes a bare host to https://host/sdk. What is wrong with it
// is said without the address: there may be a password in it.
func parseAddress(address string) (u *url.URL, wrong string) {
	if address == "" {
		return nil, "is required: a host name or URL, such as https://vcenter.example.com/sdk"
	}
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, "must be a host name or URL, such as https://vcenter.example.com/sdk"
	case u.Scheme != "https":
		return nil, "must begin with https://"
	case u.User != nil:
		return nil, "must not hold a user name or password: they belong in their own fields"
	case u.Hostname() == "":
		return nil, "must have a host"
	case u.RawQuery != "" || u.Fragment != "":
		return nil, "must not have a query or fragment: they have no meaning here"
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/sdk"
	}
	return u, ""
}

// maxCertificates is how many characters of certificates there may be: more
// than any chain of authorities needs.
const maxCertificates = 100_000

// trust is how the server's certificate is verified: by the authorities of the
// operating system unless exactly one of the options says otherwise.
func (o options) trust(faults *provider.Faults) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	given := 0
	if o.InsecureSkipVerify {
		given++
		c.InsecureSkipVerify = true
	}
	if o.CACertificate != "" {
		given++
		c.RootCAs = x509.NewCertPool()
		if len(o.CACertificate) > maxCertificates || !c.RootCAs.AppendCertsFromPEM([]byte(o.CACertificate)) {
			faults.Add("/options/caCertificate", "must hold certificates in PEM form, and at most %d characters", maxCertificates)
		}
	}
	if o.Thumbprint != "" {
		given++
		c.InsecureSkipVerify = true // the chain; VerifyConnection looks at the certificate
		c.VerifyConnection = thumbprint(faults, o.Thumbprint)
	}
	if given > 1 {
		faults.Add("/options", "must have only one of caCertificate, thumbprint and insecureSkipVerify")
	}
	return c
}

// errThumbprint: the server has another certificate than the one expected.
var errThumbprint = errors.New("the server's certificate does not have the expected thumbprint")

// thumbprint returns a verification that the server's own certificate is the
// one with the thumbprint.
func thumbprint(faults *provider.Faults, s string) func(tls.ConnectionState) error {
	want, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(s) > 3*sha256.Size || len(want) != sha256.Size && len(want) != sha1.Size {
		faults.Add("/options/thumbprint", "must be 64 (SHA-256) or 40 (SHA-1) hexadecimal digits")
	}
	return func(state tls.ConnectionState) error {
		raw := state.PeerCertificates[0].Raw
		got := sha256.Sum256(raw)
		old := sha1.Sum(raw)
		if bytes.Equal(got[:], want) || bytes.Equal(old[:], want) {
			return nil
		}
		return fmt.Errorf("%w: it has %X", errThumbprint, got)
	}
}
