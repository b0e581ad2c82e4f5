package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTheFirstCertificateOfAFileToEndIsTold(t *testing.T) {
	soon := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	var bundle []byte
	for _, end := range []time.Time{soon.AddDate(1, 0, 0), soon, soon.AddDate(2, 0, 0)} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: end}
		cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		bundle = append(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})...)
	}
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, bundle, 0o600); err != nil {
		t.Fatal(err)
	}
	if end, err := firstEnd(file); err != nil || !end.Equal(soon) {
		t.Errorf("%v, %v, want %v", end, err, soon)
	}
	if _, err := firstEnd("/dev/null"); err == nil {
		t.Error("nothing has an end")
	}
}
