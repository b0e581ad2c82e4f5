package dev

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/quorate/quorate/server"
)

// directory is where one run keeps its things. While it is held no other run
// can use it.
type directory struct {
	path      string
	temporary bool
	lock      *os.File
}

// hold makes and locks the directory; an empty path is a new temporary one.
func hold(path string) (*directory, error) {
	d := &directory{path: path, temporary: path == ""}
	var err error
	if d.temporary {
		d.path, err = os.MkdirTemp("", "quorate-dev-")
	} else if d.path, err = filepath.Abs(path); err == nil {
		err = os.MkdirAll(d.path, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	if err := os.MkdirAll(d.file("logs"), 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	d.lock, err = os.OpenFile(d.file("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the data directory: %w", err)
	}
	// The lock goes with the process, however that ends.
	if err := syscall.Flock(int(d.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = d.lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s is in use by another quorate dev: stop that one, or give another --data-dir", d.path)
		}
		return nil, fmt.Errorf("locking %s: %w", d.path, err)
	}
	if err := os.Remove(d.file("dev.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		_ = d.lock.Close()
		return nil, fmt.Errorf("removing the last run's dev.json: %w", err)
	}
	return d, nil
}

func (d *directory) file(name ...string) string {
	return filepath.Join(append([]string{d.path}, name...)...)
}

// release frees the directory, and removes it if it is temporary.
func (d *directory) release() error {
	var err error
	if d.temporary {
		err = os.RemoveAll(d.path)
	} else if err = os.Remove(d.file("dev.json")); errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, d.lock.Close())
}

// keys are the files that every broker is given.
type keys struct {
	token                    string
	tokenFile, secretKeyFile string
}

// keys returns the directory's, made on first use.
func (d *directory) keys() (keys, error) {
	k := keys{tokenFile: d.file("root.token"), secretKeyFile: d.file("secret.key")}
	if _, err := os.Stat(k.secretKeyFile); errors.Is(err, os.ErrNotExist) {
		if err := server.WriteSecretKeyFile(k.secretKeyFile); err != nil {
			return keys{}, err
		}
	}
	content, err := os.ReadFile(k.tokenFile)
	if errors.Is(err, os.ErrNotExist) {
		content = []byte(server.NewToken() + "\n")
		err = writeFile(k.tokenFile, content)
	}
	if err != nil {
		return keys{}, fmt.Errorf("root token: %w", err)
	}
	k.token = strings.TrimSpace(string(content))
	return k, nil
}

// Facts is dev.json: what a program needs to use and to disturb the Site.
type Facts struct {
	Site      string          `json:"site"`
	Token     string          `json:"token"`
	Etcd      []string        `json:"etcd"`
	Brokers   []BrokerFacts   `json:"brokers"`
	Providers []ProviderFacts `json:"providers"`
}

// BrokerFacts is one broker's process. While it is dead there is no PID, rather
// than 0: to kill that is to kill oneself.
type BrokerFacts struct {
	ID  string `json:"id"`
	URL string `json:"url"`
	PID int    `json:"pid,omitempty"`
}

// ProviderFacts is one simulator.
type ProviderFacts struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Address string `json:"address"`
}

func (d *directory) writeFacts(f Facts) error {
	content, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("dev.json: %w", err)
	}
	return writeFile(d.file("dev.json"), append(content, '\n'))
}

// writeFile replaces a file as a whole: who reads it sees the old one or the
// new one. Only the owner may read it.
func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
