package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
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
		{"--etcd-ca", v.EtcdCA, false, v.readEtcdCA},
	} {
		if f.path != "" {
			all = append(all, judgeFile(f.setting, f.path, f.secret, f.use))
		}
	}
	if v.SecretKeyFile == "" {
		all = append(all, warned("--secret-key-file", "It is not given: no Provider's password can be stored or read.",
			"Make a key once for the whole Farm with: quorate keygen FILE. Give every server the same."))
	}
	return append(all, v.ownCertificate("--tls", v.TLSCert, v.TLSKey), v.named(), v.ownCertificate("--etcd", v.EtcdCert, v.EtcdKey))
}

// readEtcdCA leaves out the certificate and its key, which are judged by themselves.
func (v *visit) readEtcdCA() error {
	alone := v.Config.Config
	alone.EtcdCert, alone.EtcdKey = "", ""
	_, err := alone.EtcdTLS()
	return err
}

func judgeFile(setting, path string, secret bool, use func() error) Finding {
	info, err := readable(path)
	if err != nil {
		return unread(setting, path, err)
	}
	if use != nil {
		if err := use(); err != nil {
			return failed(setting, "It cannot be used: "+sentence(err), "Put the right content into "+path+".")
		}
	}
	if mode := info.Mode().Perm(); secret && mode&0o007 != 0 {
		return failed(setting, fmt.Sprintf("Everybody on this machine can read %s (mode %04o).", path, mode),
			fmt.Sprintf("chmod 640 %s\nWho has read it meanwhile knows the secret: replace it if that matters.", path))
	}
	if use == nil {
		return fine(setting, path+" can be read.")
	}
	return fine(setting, path+" can be used.")
}

// unread says why a file cannot be read.
func unread(setting, path string, err error) Finding {
	if errors.Is(err, fs.ErrNotExist) {
		return failed(setting, "The file "+path+" is not there.", "Put it there, or give "+setting+" the right name.")
	}
	return failed(setting, "It cannot be read: "+sentence(err), "Let the user that the server runs as read "+path+".")
}

func readable(path string) (fs.FileInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return f.Stat()
}

// ownCertificate looks at a certificate that this server shows to others, and
// whether the key is its own. of is what the two settings' names begin with.
func (v *visit) ownCertificate(of, certFile, keyFile string) Finding {
	if certFile == "" || keyFile == "" {
		return Finding{}
	}
	setting := of + "-cert"
	if _, err := readable(certFile); err != nil {
		return unread(setting, certFile, err)
	}
	if _, err := readable(keyFile); err != nil {
		return Finding{} // the key's own check says so
	}
	leaf, err := ownLeaf(certFile, keyFile)
	if err != nil {
		return failed(setting+", "+of+"-key", "They cannot be used together: "+sentence(err),
			fmt.Sprintf("Give a certificate and its own key, both PEM: %s and %s are not.", certFile, keyFile))
	}
	level, finding := judgeValidity(leaf, v.now)
	return Finding{level, setting, finding, renewal(level, "Replace "+certFile+" and restart the server: it reads it at start only.")}
}

func ownLeaf(certFile, keyFile string) (*x509.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(pair.Certificate[0])
}

// named says whether --tls-cert is for the name by which others look for this server.
func (v *visit) named() Finding {
	u, err := url.Parse(v.Advertise)
	if err != nil || u.Hostname() == "" || v.TLSCert == "" {
		return Finding{}
	}
	leaf, err := ownLeaf(v.TLSCert, v.TLSKey)
	if err != nil {
		return Finding{} // told already
	}
	if err := leaf.VerifyHostname(u.Hostname()); err != nil {
		return failed("--tls-cert name", "It is not for "+u.Hostname()+", the host of --advertise: "+sentence(err),
			"Make a certificate for "+u.Hostname()+", or give --advertise a name that the certificate has.")
	}
	return Finding{}
}
