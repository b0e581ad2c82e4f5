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

func endpointOf(t provider.Target) (endpoint, error) {
	var o options
	if err := provider.DecodeOptions(t.Options, &o); err != nil {
		return endpoint{}, err
	}
	u, addressErr := parseAddress(t.Address)
	trust, trustErr := o.trust()
	var userErr error
	if t.Username == "" {
		userErr = errors.New("username: a user name is needed to log in")
	}
	if err := errors.Join(addressErr, userErr, trustErr); err != nil {
		return endpoint{}, fmt.Errorf("%w: %w", provider.ErrInvalidOptions, err)
	}
	return endpoint{url: u, tls: trust}, nil
}

// parseAddress completes a bare host to https://host/sdk.
func parseAddress(address string) (*url.URL, error) {
	if address == "" {
		return nil, errors.New("address: a host name or URL is needed, such as https://vcenter.example.com/sdk")
	}
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		// Not err itself: it repeats the address, and with it perhaps a password.
		return nil, errors.New("address: not a URL")
	case u.Scheme != "https":
		return nil, fmt.Errorf("address: the scheme must be https, not %s", u.Scheme)
	case u.User != nil:
		return nil, errors.New("address: user name and password belong in their own fields")
	case u.Hostname() == "":
		return nil, errors.New("address: the host is missing")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("address: a query or fragment has no meaning here")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/sdk"
	}
	return u, nil
}

// trust is how the server's certificate is verified: by the authorities of the
// operating system unless exactly one of the options says otherwise.
func (o options) trust() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	given := 0
	if o.InsecureSkipVerify {
		given++
		c.InsecureSkipVerify = true
	}
	if o.CACertificate != "" {
		given++
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM([]byte(o.CACertificate)) {
			return nil, errors.New("options: caCertificate holds no certificate in PEM form")
		}
	}
	if o.Thumbprint != "" {
		given++
		verify, err := thumbprint(o.Thumbprint)
		if err != nil {
			return nil, err
		}
		c.InsecureSkipVerify = true // the chain; VerifyConnection looks at the certificate
		c.VerifyConnection = verify
	}
	if given > 1 {
		return nil, errors.New("options: give only one of caCertificate, thumbprint and insecureSkipVerify")
	}
	return c, nil
}

// errThumbprint: the server has another certificate than the one expected.
var errThumbprint = errors.New("the server's certificate does not have the expected thumbprint")

// thumbprint returns a verification that the server's own certificate is the
// one with the thumbprint.
func thumbprint(s string) (func(tls.ConnectionState) error, error) {
	want, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(want) != sha256.Size && len(want) != sha1.Size {
		return nil, errors.New("options: thumbprint must be 64 (SHA-256) or 40 (SHA-1) hexadecimal digits")
	}
	return func(state tls.ConnectionState) error {
		raw := state.PeerCertificates[0].Raw
		got := sha256.Sum256(raw)
		old := sha1.Sum(raw)
		if bytes.Equal(got[:], want) || bytes.Equal(old[:], want) {
			return nil
		}
		return fmt.Errorf("%w: it has %X", errThumbprint, got)
	}, nil
}
