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
// frees it once the store's Run has ended. A visit makes no Farm, see etcd.Config.
func openStore(cfg StorageConfig, visit bool, log *slog.Logger) (st *etcd.Store, free func(), err error) {
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
	st, err = etcd.New(etcd.Config{Client: client, Prefix: cfg.EtcdPrefix, Sealer: sealer, Log: log, Visit: visit})
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

// A broker with another key, or none, would take Providers over and then fail to
// connect to them.
var (
	errOtherSecretKey = errors.New("--secret-key-file: it is not the key of this Farm: it cannot open what the Farm's other servers have encrypted. Give the key that they have; after a rotation, one that still holds the old key, until 'quorate secret-key reseal' has encrypted everything anew")
	errNoSecretKey    = errors.New("--secret-key-file: the Farm's passwords are encrypted, and a broker needs their key. Give the key that the Farm's other servers have")
)

// keyEvery is how often a broker without a key looks whether the Farm has one.
const keyEvery = 10 * time.Second

// checkSecretKey blocks until it is known whether the key is the Farm's. A nil
// error with ctx ended means that the server was stopped before.
func checkSecretKey(ctx context.Context, file string, st store.Store, log *slog.Logger) error {
	return insist(ctx, log, "checking the secret key", func(ctx context.Context) error {
		return tryKey(ctx, file, st)
	})
}

func tryKey(ctx context.Context, file string, st store.Store) error {
	err := st.CheckSecretKey(ctx)
	switch {
	case !errors.Is(err, store.ErrSecretKey):
		return err
	case file == "":
		return errNoSecretKey
	}
	return errOtherSecretKey
}

// untilKeyed returns an error once the Farm has a secret key, which this server
// has not; nil when ctx ends.
func untilKeyed(ctx context.Context, st store.Store, log *slog.Logger) error {
	tick := time.NewTicker(keyEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if err := checkSecretKey(ctx, "", st, log); err != nil {
			log.Error("the Farm has a secret key now; this broker stops", "err", err)
			return err
		}
	}
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
