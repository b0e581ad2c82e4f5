package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/quorate/quorate/store/etcd/etcdtest"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-1000 * time.Hour), NotAfter: time.Now().Add(1000 * time.Hour), KeyUsage: x509.KeyUsageCertSign}
	a.cert, a.key = a.sign(template)
	return a
}

func (a *authority) sign(c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		a.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return made, key
}

// leaf makes a certificate for the loopback, or for a name, that ends some time from now.
func (a *authority) leaf(left time.Duration, names ...string) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	template := &x509.Certificate{NotBefore: time.Now().Add(-900 * time.Hour), NotAfter: time.Now().Add(left), DNSNames: names,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if len(names) == 0 {
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	return a.sign(template)
}

func (a *authority) files(cert *x509.Certificate, key *ecdsa.PrivateKey) (certFile, keyFile string) {
	a.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.file(cert), write(a.t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

func (a *authority) file(cert *x509.Certificate) string {
	return write(a.t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})))
}

const year = 365 * 24 * time.Hour

func TestACertificateIsJudgedAsAClientWould(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	good, _ := a.leaf(40*24*time.Hour, "etcd-1")
	ending, _ := a.leaf(20*24*time.Hour, "etcd-1")
	ended, _ := a.leaf(-time.Hour, "etcd-1")
	theirs, _ := stranger.leaf(40*24*time.Hour, "etcd-1")
	for _, c := range []struct {
		name string
		cert *x509.Certificate
		host string
		now  time.Time
		want Level
		says string
	}{
		{"good", good, "etcd-1", time.Now(), OK, "good until"},
		{"soon to end", ending, "etcd-1", time.Now(), Warn, "ends in 19 days"},
		{"ended", ended, "etcd-1", time.Now(), Fail, "ended on"},
		{"not begun", good, "etcd-1", time.Now().Add(-950 * time.Hour), Fail, "clock is wrong"},
		{"for another name", good, "etcd-2", time.Now(), Fail, "not for etcd-2"},
		{"for no address", good, "127.0.0.1", time.Now(), Fail, "not for 127.0.0.1"},
		{"of a stranger", theirs, "etcd-1", time.Now(), Fail, `"test authority", which is not trusted`},
	} {
		level, finding := judgeChain([]*x509.Certificate{c.cert}, c.host, roots, c.now)
		if level != c.want || !strings.Contains(finding, c.says) {
			t.Errorf("%s: %s %s", c.name, level, finding)
		}
	}
}

// secureEtcd runs etcd with that certificate, and asks clients for theirs.
func secureEtcd(t *testing.T, a *authority, left time.Duration, names ...string) string {
	t.Helper()
	certFile, keyFile := a.files(a.leaf(left, names...))
	e := etcdtest.StartWith(t, func(c *embed.Config) {
		c.ListenClientUrls = []url.URL{{Scheme: "https", Host: "127.0.0.1:0"}}
		c.ClientTLSInfo = transport.TLSInfo{CertFile: certFile, KeyFile: keyFile, TrustedCAFile: a.file(a.cert), ClientCertAuth: true}
	})
	return "https://" + e.Addr()
}

func TestEtcdsCertificatesAreChecked(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	secured := func(endpoint string) Config {
		cfg := settings(t, endpoint)
		cfg.EtcdCA = a.file(a.cert)
		cfg.EtcdCert, cfg.EtcdKey = a.files(a.leaf(year))
		return cfg
	}
	good := secureEtcd(t, a, 29*24*time.Hour)
	t.Run("good, and ends soon", func(t *testing.T) {
		t.Parallel()
		r := examine(t, secured(good))
		finds(t, r, "etcd 127.0.0.1", Warn, "ends in 28 days")
		finds(t, r, "etcd 127.0.0.1", OK, "leads")
		finds(t, r, "etcd cluster", Warn, "one member")
		finds(t, r, "--etcd-cert", OK, "good until")
	})
	t.Run("ours ends", func(t *testing.T) {
		t.Parallel()
		cfg := secured(good)
		cfg.EtcdCert, cfg.EtcdKey = a.files(a.leaf(-time.Hour))
		finds(t, examine(t, cfg), "--etcd-cert", Fail, "ended on")
	})
	t.Run("another authority", func(t *testing.T) {
		t.Parallel()
		cfg := secured(good)
		cfg.EtcdCA = a.file(stranger.cert)
		finds(t, examine(t, cfg), "etcd 127.0.0.1", Fail, "not trusted")
	})
	t.Run("no client certificate", func(t *testing.T) {
		t.Parallel()
		cfg := secured(good)
		cfg.EtcdCert, cfg.EtcdKey = "", ""
		finds(t, examine(t, cfg), "etcd 127.0.0.1", Fail, "--etcd-cert")
	})
	t.Run("http where there is TLS", func(t *testing.T) {
		t.Parallel()
		finds(t, examine(t, secured(strings.Replace(good, "https", "http", 1))), "etcd 127.0.0.1", Fail, "its URL is https://")
	})
	t.Run("https where there is none", func(t *testing.T) {
		t.Parallel()
		plain := etcdtest.Start(t)
		finds(t, examine(t, secured("https://"+plain.Addr())), "etcd 127.0.0.1", Fail, "its URL is http://")
	})
	t.Run("for another name", func(t *testing.T) {
		t.Parallel()
		finds(t, examine(t, secured(secureEtcd(t, a, year, "etcd-1"))), "etcd 127.0.0.1", Fail, "not for 127.0.0.1")
	})
	t.Run("ended", func(t *testing.T) {
		t.Parallel()
		finds(t, examine(t, secured(secureEtcd(t, a, -time.Hour))), "etcd 127.0.0.1", Fail, "ended on")
	})
}

func TestAServersOwnCertificateIsChecked(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.leaf(10 * 24 * time.Hour)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).Handshake()
			_ = c.Close()
		}
	}()
	u := &url.URL{Scheme: "https", Host: ln.Addr().String()}
	v := &visit{now: time.Now()}
	expect(t, v.brokerCertificate(t.Context(), "broker", u), Fail, "--ca FILE")
	v.CA = a.file(a.cert)
	expect(t, v.authority(), "", "")
	expect(t, v.brokerCertificate(t.Context(), "broker", u), Warn, "ends in 9 days")
	v.CA = write(t, "none")
	expect(t, v.authority(), Fail, "no certificate")
}
