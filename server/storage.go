package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
)

// openStore makes the store in etcd, which need not be there. What it returns
// frees it once the store's Run has ended.
func openStore(cfg StorageConfig, log *slog.Logger) (st store.Store, free func(), err error) {
	sealer, err := openSealer(cfg.SecretKeyFile)
	if err != nil {
		return nil, nil, err
	}
	if sealer == nil {
		log.Warn("Providers' secrets can be neither stored nor read: --secret-key-file is not given")
	}
	security, err := etcdTLS(cfg)
	if err != nil {
		return nil, nil, err
	}
	client, err := etcd.Dial(etcd.DialConfig{Endpoints: cfg.Etcd, TLS: security})
	if err != nil {
		return nil, nil, err
	}
	free = func() { _ = client.Close() } // the process ends anyway
	st, err = etcd.New(etcd.Config{Client: client, Prefix: cfg.EtcdPrefix, Sealer: sealer, Log: log})
	if err != nil {
		free()
		return nil, nil, err
	}
	return st, free, nil
}

// etcdTLS is nil if nothing asks for TLS; then the URLs alone decide.
func etcdTLS(cfg StorageConfig) (*tls.Config, error) {
	if cfg.EtcdCA == "" && cfg.EtcdCert == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.EtcdCA != "" {
		pem, err := os.ReadFile(cfg.EtcdCA)
		if err != nil {
			return nil, fmt.Errorf("--etcd-ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--etcd-ca: %s holds no certificate", cfg.EtcdCA)
		}
	}
	if cfg.EtcdCert != "" {
		cert, err := tls.LoadX509KeyPair(cfg.EtcdCert, cfg.EtcdKey)
		if err != nil {
			return nil, fmt.Errorf("--etcd-cert, --etcd-key: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

// openSealer returns nil if no file is named.
func openSealer(file string) (*store.Sealer, error) {
	if file == "" {
		return nil, nil
	}
	keyset, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--secret-key-file: %w", err)
	}
	sealer, err := store.NewSealer(keyset)
	if err != nil {
		return nil, fmt.Errorf("--secret-key-file: %s: %w", file, err)
	}
	return sealer, nil
}

// checkSecretKey refuses a key that cannot open what the Farm has stored: a
// broker with it would take Providers over and then fail to connect to them. It
// returns nil if that cannot be known, since ctx has ended or storage is away.
func checkSecretKey(ctx context.Context, st store.Store, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for site, p := range st.Latest().Sites {
		for id := range p.Providers {
			secret, err := st.Secret(ctx, site, id)
			switch {
			case errors.Is(err, store.ErrSecretKey):
				return fmt.Errorf("--secret-key-file: it is not the key of this Farm: it cannot open the secret of Provider %s of Site %s. Give the key that the Farm's other servers have", id, site)
			case err != nil:
				log.Warn("the secret key is not checked", "err", err)
				return nil
			case secret != "":
				return nil
			}
		}
	}
	return nil
}

// WriteSecretKey makes a key for --secret-key-file.
func WriteSecretKey(w io.Writer) error {
	keyset, err := store.GenerateKeyset()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", keyset)
	return err
}

// WriteSecretKeyFile makes a key in a new file that only its owner may read. It
// never replaces a file: with a key, everything that it encrypts would be lost.
func WriteSecretKeyFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("writing the secret key: %w", err)
	}
	if err := errors.Join(WriteSecretKey(f), f.Sync(), f.Close()); err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("writing the secret key: %w", err)
	}
	return nil
}
