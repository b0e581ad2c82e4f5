package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
)

// renewIn is how long before its end a certificate is worth a warning.
const renewIn = 30 * 24 * time.Hour

// shown is what a TLS handshake brought to light.
type shown struct {
	connected bool // TCP at least
	chain     []*x509.Certificate
	err       error // of TCP or of TLS
}

// handshake takes whatever certificate it is shown: it is for judging. It sends
// nothing, and with cfg's certificate proves who asks, if the other side wants to know.
func handshake(ctx context.Context, address string, cfg *tls.Config) shown {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return shown{err: err}
	}
	defer func() { _ = raw.Close() }()
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg != nil {
		c = cfg.Clone()
	}
	host, _, _ := net.SplitHostPort(address)
	c.ServerName, c.InsecureSkipVerify, c.NextProtos = host, true, []string{"h2", "http/1.1"}
	conn := tls.Client(raw, c)
	if err := conn.HandshakeContext(ctx); err != nil {
		return shown{connected: true, err: err}
	}
	return shown{connected: true, chain: conn.ConnectionState().PeerCertificates}
}

// judgeChain says whether a client that looks for host and trusts roots (nil:
// the machine's) will take what it is shown.
func judgeChain(chain []*x509.Certificate, host string, roots *x509.CertPool, now time.Time) (Level, string) {
	leaf := chain[0]
	level, validity := judgeValidity(leaf, now)
	if level == Fail {
		return level, validity
	}
	if err := leaf.VerifyHostname(host); err != nil {
		return Fail, fmt.Sprintf("Its certificate is not for %s: %s", host, sentence(err))
	}
	if strange(chain, roots, now) {
		return Fail, fmt.Sprintf("Its certificate was signed by %q, which is not trusted here.", leaf.Issuer.CommonName)
	}
	if err := verify(chain, roots, now); err != nil {
		return Fail, "Its certificate cannot be used: " + sentence(err)
	}
	return level, validity
}

func verify(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return err
}

// strange says whether roots know nobody who signed the chain.
func strange(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) bool {
	var unknown x509.UnknownAuthorityError
	return errors.As(verify(chain, roots, now), &unknown)
}

// silence says whether the other side said nothing in time, which is another
// fault than saying something wrong.
func silence(err error) bool {
	var late net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &late) && late.Timeout()
}

func judgeValidity(c *x509.Certificate, now time.Time) (Level, string) {
	left := c.NotAfter.Sub(now)
	day := c.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case left <= 0:
		return Fail, "Its certificate ended on " + day + "."
	case now.Before(c.NotBefore):
		return Fail, fmt.Sprintf("Its certificate begins on %s only; or this machine's clock is wrong.", c.NotBefore.UTC().Format(time.DateTime))
	case left < renewIn:
		return Warn, fmt.Sprintf("Its certificate ends in %d days, on %s.", int(left.Hours()/24), day)
	}
	return OK, "Its certificate is good until " + day + "."
}

// renewal is what to do unless there is nothing to do.
func renewal(level Level, do string) string {
	if level == OK {
		return ""
	}
	return do
}
