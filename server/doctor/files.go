package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"os"
)

// files checks each file that a setting names: that it can be read, that not
// everybody can read what must be kept secret, and that it holds what it should.
func (v *visit) files() []Finding {
	var all []Finding
	for _, f := range []struct {
		setting, path string
		secret        bool
		use           func() error // by the server's own code
	}{
		{"--secret-key-file", v.SecretKeyFile, true, func() error { _, err := v.Sealer(); return err }},
		{"--root-token-file", v.RootTokenFile, true, func() error { _, err := v.RootToken(); return err }},
		{"--tls-key", v.TLSKey, true, nil},
		{"--etcd-key", v.EtcdKey, true, nil},
		{"--etcd-ca", v.EtcdCA, false, func() error { _, err := v.EtcdTLS(); return err }},
	} {
		if f.path != "" {
			all = append(all, judgeFile(f.setting, f.path, f.secret, f.use))
		}
	}
	if v.SecretKeyFile == "" {
		all = append(all, warned("--secret-key-file", "It is not given: no Provider's password can be stored or read.",
			"Make a key once for the whole Farm with: quorate keygen FILE. Give every server the same."))
	}
	return append(all, v.ownCertificate("--tls-cert", v.TLSCert, v.TLSKey), v.ownCertificate("--etcd-cert", v.EtcdCert, v.EtcdKey))
}

func judgeFile(setting, path string, secret bool, use func() error) Finding {
	info, err := readable(path)
	if err != nil {
		return failed(setting, sentence(err), "Let the user that the server runs as read "+path+".")
	}
	if use != nil {
		if err := use(); err != nil {
			return failed(setting, sentence(err), "Put the right content into "+path+".")
		}
	}
	if mode := info.Mode().Perm(); secret && mode&0o007 != 0 {
		return failed(setting, fmt.Sprintf("Everybody on this machine can read %s (mode %04o).", path, mode),
			fmt.Sprintf("chmod o-rwx %s\nWho has read it meanwhile knows the secret: replace it if that matters.", path))
	}
	return fine(setting, path+" can be used.")
}

func readable(path string) (fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return f.Stat()
}

// ownCertificate looks at a certificate that this server shows to others.
func (v *visit) ownCertificate(setting, certFile, keyFile string) Finding {
	if certFile == "" || keyFile == "" {
		return Finding{}
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return failed(setting, sentence(err), "Give a certificate and its own key, both PEM.")
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return failed(setting, sentence(err), "Make a new certificate.")
	}
	level, finding := judgeValidity(leaf, v.now)
	return Finding{level, setting, finding, renewal(level, "Replace "+certFile+" and restart the server: it reads it at start only.")}
}
