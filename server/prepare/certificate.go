package prepare

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// authorityLasts is how many times as long as a certificate its authority is
// good for: replacing it means touching every party.
const authorityLasts = 10

// authority reads the Farm's authority, or makes it.
func (c Config) authority(now time.Time, out io.Writer) (tls.Certificate, error) {
	certFile, keyFile := filepath.Join(c.Dir, AuthorityFile), filepath.Join(c.AuthorityIn, authorityKey)
	ca, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err == nil {
		if now.After(ca.Leaf.NotAfter) {
			return ca, fmt.Errorf("the authority in %s ended on %s: remove it and its key, prepare anew, and give every party its new files", certFile, ca.Leaf.NotAfter.Format(time.DateOnly))
		}
		fmt.Fprintf(out, "kept   %s: the authority, good until %s\n", certFile, ca.Leaf.NotAfter.Format(time.DateOnly))
		return ca, nil
	}
	key, cut := begun(certFile, keyFile)
	if !cut && (!missing(certFile) || !missing(keyFile)) {
		return ca, fmt.Errorf("the authority cannot be read, and is not replaced, since every party trusts it: %w", err)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Quorate Farm authority"},
		NotBefore:             now.Add(-time.Hour), // other machines' clocks may be behind
		NotAfter:              now.Add(authorityLasts * c.Valid),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	if cut {
		err = certificate(template, tls.Certificate{}, key, certFile)
	} else {
		err = issue(template, tls.Certificate{}, certFile, keyFile)
	}
	if err != nil {
		return ca, err
	}
	fmt.Fprintf(out, "made   %s: the authority\n", certFile)
	return tls.LoadX509KeyPair(certFile, keyFile)
}

// begun is the key of an authority whose making was cut short: its certificate is
// not there, and neither is any other.
func begun(certFile, keyFile string) (*ecdsa.PrivateKey, bool) {
	others, err := filepath.Glob(filepath.Join(filepath.Dir(certFile), "*.crt"))
	if err != nil || len(others) > 0 {
		return nil, false
	}
	text, err := os.ReadFile(keyFile)
	block, _ := pem.Decode(text)
	if err != nil || block == nil {
		return nil, false
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	own, is := key.(*ecdsa.PrivateKey)
	return own, err == nil && is
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// certify gives a party its certificate, unless it has one that is as wanted.
func (c Config) certify(ca tls.Certificate, p party, now time.Time, out io.Writer) error {
	certFile, keyFile := filepath.Join(c.Dir, p.name+".crt"), filepath.Join(c.Dir, p.name+".key")
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: p.name},
		NotBefore:   now.Add(-time.Hour),
		NotAfter:    earlier(now.Add(c.Valid), ca.Leaf.NotAfter),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, host := range p.hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	has, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err == nil && good(has.Leaf, ca.Leaf, template, now.Add(c.Valid/10)) {
		fmt.Fprintf(out, "kept   %s: good until %s\n", certFile, has.Leaf.NotAfter.Format(time.DateOnly))
		return nil
	}
	anew := ""
	if err == nil {
		anew = " (made anew: " + why(has.Leaf, ca.Leaf, template) + ")"
	}
	if err := issue(template, ca, certFile, keyFile); err != nil {
		return err
	}
	fmt.Fprintf(out, "made   %s: good until %s%s\n", certFile, template.NotAfter.Format(time.DateOnly), anew)
	return nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// good reports whether a certificate is from the authority, names the same
// hosts, and lasts.
func good(has, ca, want *x509.Certificate, until time.Time) bool {
	return has.CheckSignatureFrom(ca) == nil && has.NotAfter.After(earlier(until, ca.NotAfter.Add(-time.Second))) && sameHosts(has, want)
}

func sameHosts(a, b *x509.Certificate) bool {
	same := func(a, b net.IP) bool { return a.Equal(b) }
	return slices.Equal(a.DNSNames, b.DNSNames) && slices.EqualFunc(a.IPAddresses, b.IPAddresses, same)
}

// why says what is wrong with a certificate that is not good.
func why(has, ca, want *x509.Certificate) string {
	switch {
	case has.CheckSignatureFrom(ca) != nil:
		return "another authority"
	case !sameHosts(has, want):
		return "other hosts"
	}
	return "the old one was about to end"
}

// issue makes a certificate with a new key, signed by the authority (zero: by
// itself), and writes both. The key comes first: a certificate without its key
// would not be noticed.
func issue(template *x509.Certificate, by tls.Certificate, certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("make %s: %w", keyFile, err)
	}
	if err := replace(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		return err
	}
	return certificate(template, by, key, certFile)
}

// certificate makes one for a key, signed by the authority (zero: by itself).
func certificate(template *x509.Certificate, by tls.Certificate, key *ecdsa.PrivateKey, certFile string) (err error) {
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return fmt.Errorf("make a serial number: %w", err)
	}
	parent, signer := template, any(key)
	if by.Leaf != nil {
		parent, signer = by.Leaf, by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return fmt.Errorf("make %s: %w", certFile, err)
	}
	return replace(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}
