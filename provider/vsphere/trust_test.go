package vsphere_test

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/quorate/quorate/provider"
	"github.com/quorate/quorate/provider/vsphere"
	"github.com/quorate/quorate/provider/vsphere/vspheresim"
)

func TestTrust(t *testing.T) {
	sim := start(t, vspheresim.Config{})
	other := start(t, vspheresim.Config{})
	block, _ := pem.Decode([]byte(sim.CertificatePEM()))
	new256, old := sha256.Sum256(block.Bytes), sha1.Sum(block.Bytes)
	colons := strings.Trim(strings.ReplaceAll(fmt.Sprintf("% X", new256), " ", ":"), ":")

	cases := []struct {
		name    string
		options map[string]any
		trusted bool
		said    string // why it is not
	}{
		{"the authorities of the system", nil, false, "The certificate is signed by an authority that is not trusted; give caCertificate or thumbprint."},
		{"its own authority", map[string]any{"caCertificate": sim.CertificatePEM()}, true, ""},
		{"another authority", map[string]any{"caCertificate": other.CertificatePEM()}, false, "The certificate is signed by an authority that is not trusted; give caCertificate or thumbprint."},
		{"its thumbprint", map[string]any{"thumbprint": fmt.Sprintf("%x", new256)}, true, ""},
		{"its thumbprint with colons", map[string]any{"thumbprint": colons}, true, ""},
		{"its old thumbprint", map[string]any{"thumbprint": fmt.Sprintf("%X", old)}, true, ""},
		{"another thumbprint", map[string]any{"thumbprint": strings.Repeat("AB", 32)}, false, "The server's certificate is not the one with the given thumbprint: if the certificate was renewed, give the new one's."},
		{"anybody", map[string]any{"insecureSkipVerify": true}, true, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			target := trusting(sim)
			target.Options = nil
			if c.options != nil {
				var err error
				target.Options, err = json.Marshal(c.options)
				must(t, err)
			}
			conn, err := vsphere.Driver{}.Connect(t.Context(), target)
			switch {
			case c.trusted:
				must(t, err)
				must(t, conn.Close(t.Context()))
			case !errors.Is(err, provider.ErrCertificateUntrusted):
				t.Fatalf("error is %v", err)
			case provider.Sentence(err) != c.said:
				t.Errorf("it says %q, want %q", provider.Sentence(err), c.said)
			}
		})
	}

	t.Run("a certificate for another name", func(t *testing.T) {
		target := trusting(sim)
		target.Address = strings.Replace(target.Address, "127.0.0.1", "127.0.0.2", 1)
		l := relay(t, "127.0.0.2:0", sim)
		target.Address = "https://" + l.addr() + "/sdk"
		if _, err := (vsphere.Driver{}).Connect(t.Context(), target); !errors.Is(err, provider.ErrCertificateUntrusted) {
			t.Fatalf("error is %v", err)
		}
	})
}
