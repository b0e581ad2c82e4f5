package server

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// newCertificateMetrics tells when each certificate ends that the server has been
// given: as it was read at start, which is what counts until the next one.
func newCertificateMetrics(cfg Config) (prometheus.Collector, error) {
	ends := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "quorate_certificate_expiry_timestamp_seconds",
		Help: "When the certificate of a setting ends; of several in its file, the one that ends first.",
	}, []string{"setting"})
	for _, c := range []struct{ setting, file string }{
		{"tls-cert", cfg.TLSCert}, {"etcd-cert", cfg.EtcdCert}, {"etcd-ca", cfg.EtcdCA},
	} {
		if c.file == "" {
			continue
		}
		end, err := firstEnd(c.file)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", c.setting, err)
		}
		ends.WithLabelValues(c.setting).Set(float64(end.Unix()))
	}
	return ends, nil
}

// firstEnd is when the first of a file's certificates ends.
func firstEnd(file string) (end time.Time, err error) {
	rest, err := os.ReadFile(file)
	if err != nil {
		return end, err
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			continue // whoever uses the file passes over it, or says so
		}
		if end.IsZero() || c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	if end.IsZero() {
		return end, fmt.Errorf("%s holds no certificate", file)
	}
	return end, nil
}
