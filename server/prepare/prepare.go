// Package prepare makes what a new Farm needs before its first start: an
// authority with a certificate for each party, the key of the Providers'
// secrets, and the root token. What is there already is kept, so that it can be
// run before every start.
package prepare

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/quorate/quorate/server"
	"github.com/quorate/quorate/store"
)

// Config says where everything is put, and for whom.
type Config struct {
	Dir         string        `help:"Directory for the certificates, the secret key and the root token." required:"" placeholder:"DIR"`
	AuthorityIn string        `name:"authority-dir" help:"Directory for the authority's key, which no server needs to read. Default: DIR." placeholder:"DIR"`
	Valid       time.Duration `help:"How long a certificate is good for; one that ends within a tenth of that is made anew." default:"${prepare_valid}"`
	Parties     []string      `arg:"" optional:"" name:"party" help:"Who gets a certificate, as server and as client: NAME, or NAME=HOST,HOST with the DNS names and IP addresses that it is reached at. NAME itself and the loopback are always good."`
}

// DefaultConfig is good for certificates that are made by hand and renewed
// every other year.
func DefaultConfig() Config { return Config{Valid: 825 * 24 * time.Hour} }

// Vars are the defaults as the tags of Config name them.
func (c Config) Vars() map[string]string {
	return map[string]string{"prepare_valid": c.Valid.String()}
}

// Files that Run makes beside NAME.crt and NAME.key of each party.
const (
	AuthorityFile = "ca.crt"
	authorityKey  = "ca.key"
	SecretKeyFile = "secret.key"
	RootTokenFile = "root.token"
)

// hold waits until no other run prepares with the same authority. What it locks
// is let go with the process, however that ends.
func hold(dir string) (release func(), err error) {
	lock, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", dir, err), lock.Close())
	}
	return func() { _ = lock.Close() }, nil
}

// party is who gets a certificate.
type party struct {
	name  string
	hosts []string
}

// Run makes what is missing or about to expire, and says what it has done.
func Run(c Config, out io.Writer) error {
	parties, err := c.parties()
	if err != nil {
		return err
	}
	if c.Valid < time.Hour {
		return fmt.Errorf("--valid must be at least 1h; it is %v", c.Valid)
	}
	if c.AuthorityIn == "" {
		c.AuthorityIn = c.Dir
	}
	for _, dir := range []string{c.Dir, c.AuthorityIn} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	release, err := hold(c.AuthorityIn)
	if err != nil {
		return err
	}
	defer release()
	now := time.Now()
	ca, err := c.authority(now, out)
	if err != nil {
		return err
	}
	for _, p := range parties {
		if err := c.certify(ca, p, now, out); err != nil {
			return err
		}
	}
	return errors.Join(
		c.unlessThere(SecretKeyFile, "the key that Providers' secrets are encrypted with", out, server.WriteSecretKey, isSecretKey),
		c.unlessThere(RootTokenFile, "the root token", out, func(w io.Writer) error {
			_, err := fmt.Fprintln(w, server.NewToken())
			return err
		}, func([]byte) error { return nil }),
	)
}

// parties reads the command line's, and finds all faults.
func (c Config) parties() ([]party, error) {
	var all []party
	var errs []error
	for _, text := range c.Parties {
		name, hosts, _ := strings.Cut(text, "=")
		p := party{name: name, hosts: []string{name, "localhost", "127.0.0.1", "::1"}}
		for host := range strings.SplitSeq(hosts, ",") {
			if host = strings.TrimSpace(host); host != "" && !slices.Contains(p.hosts, host) {
				p.hosts = append(p.hosts, host)
			}
		}
		twice := slices.ContainsFunc(all, func(other party) bool { return other.name == name })
		switch {
		case !isName(name) || name+".key" == authorityKey || name+".key" == SecretKeyFile:
			errs = append(errs, fmt.Errorf("%q names no party: a name is made of letters, digits, hyphens and dots, and is neither ca nor secret", text))
		case twice:
			errs = append(errs, fmt.Errorf("party %s is named twice", name))
		}
		for _, host := range p.hosts {
			if net.ParseIP(host) == nil && !isName(host) {
				errs = append(errs, fmt.Errorf("party %s: %q is neither an IP address nor a DNS name", name, host))
			}
		}
		all = append(all, p)
	}
	return all, errors.Join(errs...)
}

func isName(s string) bool {
	strange := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	}
	return s != "" && len(s) <= 100 && !strings.ContainsFunc(s, strange) && !strings.HasPrefix(s, ".") && !strings.HasPrefix(s, "-")
}

// unlessThere writes a file for its owner only, unless it is there.
func (c Config) unlessThere(name, what string, out io.Writer, write func(io.Writer) error, check func([]byte) error) error {
	path := filepath.Join(c.Dir, name)
	if info, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		switch {
		case err != nil:
			return err
		case !info.Mode().IsRegular() || info.Size() == 0:
			return fmt.Errorf("%s is there, and is not %s: remove it, or give the right one", path, what)
		}
		content, err := os.ReadFile(path)
		if err == nil {
			err = check(content)
		}
		if err != nil {
			return fmt.Errorf("%s is there, and is not %s: remove it, or give the right one: %w", path, what, err)
		}
		fmt.Fprintf(out, "kept   %s: %s\n", path, what)
		return nil
	}
	var content strings.Builder
	if err := write(&content); err != nil {
		return err
	}
	if err := replace(path, []byte(content.String()), 0o600); err != nil {
		return err
	}
	fmt.Fprintf(out, "made   %s: %s\n", path, what)
	return nil
}

func isSecretKey(content []byte) error {
	_, err := store.NewSealer(content)
	return err
}

// replace writes a file as a whole or not at all.
func replace(path string, content []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
