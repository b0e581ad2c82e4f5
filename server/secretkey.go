package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
)

// AddSecretKey adds a key to a file of --secret-key-file, which opens and does not
// encrypt yet.
func AddSecretKey(file string, out io.Writer) error {
	text, release, err := holdKeys(file)
	if err != nil {
		return fmt.Errorf("reading the secret key: %w", err)
	}
	defer release()
	changed, added, err := store.AddKey(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, keyAdvice(err))
	}
	if err := rewriteKeys(file, changed); err != nil {
		return err
	}
	fmt.Fprintf(out, "Key %d is added to %s. It opens, and does not encrypt yet.\nGive the file to every server and restart them, one after the other. Then: quorate secret-key promote\n", added, file)
	return nil
}

// ListSecretKeys says which keys a file holds, and what each does.
func ListSecretKeys(file string, out io.Writer) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the secret key: %w", err)
	}
	keys, err := store.ListKeys(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	encrypts := false
	for _, k := range keys {
		does := "opens"
		switch {
		case k.Primary:
			encrypts, does = true, "primary: encrypts and opens"
		case encrypts:
			does = "opens; waits to be promoted"
		}
		if _, err := fmt.Fprintf(out, "%d  %s\n", k.ID, does); err != nil {
			return err
		}
	}
	return nil
}

// PromoteSecretKey makes the key that was added last the one that encrypts.
func PromoteSecretKey(file string, out io.Writer) error {
	text, release, err := holdKeys(file)
	if err != nil {
		return fmt.Errorf("reading the secret key: %w", err)
	}
	defer release()
	changed, primary, err := store.PromoteKey(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, keyAdvice(err))
	}
	if err := rewriteKeys(file, changed); err != nil {
		return err
	}
	fmt.Fprintf(out, "Key %d is primary in %s: it encrypts.\nGive the file to every server and restart them, one after the other. Then, at etcd: quorate secret-key reseal\n", primary, file)
	return nil
}

// RetireSecretKeys drops all keys but the one that encrypts. The file as it was is
// kept beside it: what was not encrypted anew, as in old snapshots, needs it.
func RetireSecretKeys(file string, out io.Writer) error {
	text, release, err := holdKeys(file)
	if err != nil {
		return fmt.Errorf("reading the secret key: %w", err)
	}
	defer release()
	changed, retired, err := store.RetireKeys(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, keyAdvice(err))
	}
	kept, made, err := keepKeys(file, text, retired[0])
	if err != nil {
		return fmt.Errorf("keeping the file as it was: %w", err)
	}
	if err := rewriteKeys(file, changed); err != nil {
		if made {
			err = errors.Join(err, os.Remove(kept)) // the other name of what is still there
		}
		return err
	}
	ids := strings.Trim(fmt.Sprint(retired), "[]")
	fmt.Fprintf(out, "Retired from %s: %s. The file as it was is %s: it opens what was saved before, so keep it with those snapshots.\nGive the new file to every server, once quorate doctor has found that it opens everything.\n", file, ids, kept)
	return nil
}

// keepKeys gives the file a second name, beside what a link leads to. One that a
// retirement before this has kept, and that holds the same, is as good; another one
// may be all that opens a snapshot, and is never replaced.
func keepKeys(file string, text []byte, retired uint32) (kept string, made bool, err error) {
	is, err := filepath.EvalSymlinks(file)
	if err != nil {
		return "", false, err
	}
	kept = fmt.Sprintf("%s.retired-%d", is, retired)
	err = os.Link(is, kept)
	if errors.Is(err, fs.ErrExist) {
		if has, readErr := os.ReadFile(kept); readErr == nil && bytes.Equal(has, text) {
			return kept, false, nil
		}
	}
	return kept, err == nil, err
}

// holdKeys reads a file that nobody else changes until it is released: of two who
// add a key, one key would be lost.
func holdKeys(file string) (text []byte, release func(), err error) {
	for {
		f, err := os.Open(file)
		if err != nil {
			return nil, nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			return nil, nil, errors.Join(fmt.Errorf("locking %s: %w", file, err), f.Close())
		}
		mine, err := f.Stat()
		now, err2 := os.Stat(file)
		if err = errors.Join(err, err2); err == nil && !os.SameFile(mine, now) {
			_ = f.Close() // it was replaced meanwhile
			continue
		}
		if err == nil {
			text, err = io.ReadAll(f)
		}
		if err != nil {
			return nil, nil, errors.Join(err, f.Close())
		}
		return text, func() { _ = f.Close() }, nil
	}
}

// rewriteKeys replaces a file as a whole or not at all; who may read it stays.
func rewriteKeys(file string, keyset []byte) error {
	like, err := os.Stat(file)
	if err == nil {
		err = replace(file, append(keyset, '\n'), like)
	}
	if err != nil {
		return fmt.Errorf("writing the secret key: %w", err)
	}
	return nil
}

func keyAdvice(err error) error {
	switch {
	case errors.Is(err, store.ErrKeyWaits):
		return fmt.Errorf("%w. Once every server has it: quorate secret-key promote", err)
	case errors.Is(err, store.ErrNoKeyWaits):
		return fmt.Errorf("%w. To replace it: quorate secret-key add", err)
	case errors.Is(err, store.ErrNoKeyIsLeft):
		return fmt.Errorf("%w. There is nothing to retire", err)
	}
	return err
}

// onlyKeyAdvice is for who has begun with the third of four steps.
func onlyKeyAdvice(st *etcd.Store) string {
	if st.SecretKeys() > 1 {
		return ""
	}
	return " It is the only key there. To replace it: quorate secret-key add"
}

// ResealConfig is what `quorate secret-key reseal` can be told.
type ResealConfig struct {
	StorageConfig `embed:""`
}

// Reseal encrypts every stored password anew, with the primary key, while servers
// run.
func Reseal(ctx context.Context, cfg ResealConfig, stdout, stderr io.Writer) error {
	if cfg.SecretKeyFile == "" {
		return errors.New("--secret-key-file must be given, with the old key and the new one, which is primary")
	}
	return withStore(ctx, cfg.StorageConfig, stderr, func(ctx context.Context, st *etcd.Store) error {
		done, err := st.Reseal(ctx)
		switch {
		case errors.Is(err, store.ErrSecretKey) && done.Anew == 0:
			return fmt.Errorf("nothing was encrypted anew: %w. Give a file that holds their key too, such as one that retire has kept, or store these passwords again", err)
		case err != nil:
			return fmt.Errorf("%w. %d passwords were encrypted anew; run it again, which does no harm", err, done.Anew)
		}
		for _, key := range done.Left {
			fmt.Fprintf(stderr, "Left as it was: %s, which does not open and whose Provider is not there. To be rid of it: etcdctl del %s\n", key, key)
		}
		if done.Anew == 0 && !done.Proof {
			fmt.Fprintf(stdout, "There is nothing to encrypt anew: what is stored (passwords: %d) is all under key %d already, which is primary in %s.%s\n", done.Secrets, done.Key, cfg.SecretKeyFile, onlyKeyAdvice(st))
			return nil
		}
		proof := "is as it was"
		if done.Proof {
			proof = "too"
		}
		fmt.Fprintf(stdout, "%d of %d passwords were encrypted anew, the proof of the key %s. Everything is under key %d now, which is primary in %s.\n", done.Anew, done.Secrets, proof, done.Key, cfg.SecretKeyFile)
		return nil
	})
}
