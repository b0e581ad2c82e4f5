package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
)

// ReplaceRootTokenConfig is what `quorate root-token replace` can be told.
type ReplaceRootTokenConfig struct {
	StorageConfig `embed:""`
	File          string `arg:"" help:"Where the new token is written: the file for --root-token-file. Who may read one that is there stays; a new one is for its owner alone."`
}

// ReplaceRootToken makes a new root token in the place of the one that there is,
// while servers run or not. The new one is in a file before it counts, and the old
// one in its file until it does not count any more; so it can end at any moment,
// and the next run goes on.
func ReplaceRootToken(ctx context.Context, cfg ReplaceRootTokenConfig, stdout, stderr io.Writer) error {
	cfg.SecretKeyFile = "" // not needed, so it need not be right
	return withStore(ctx, cfg.StorageConfig, stderr, func(ctx context.Context, st *etcd.Store) error {
		file, like, err := tokenPlace(cfg.File)
		if err != nil {
			return err
		}
		next := file + ".next"
		token, err := nextToken(next, like)
		if err != nil {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, answerTimeout)
		defer cancel()
		gone, err := st.ReplaceTokens(limited, hashToken(token), store.Token{Name: "root", CreatedAt: time.Now().UTC()})
		if err != nil {
			return fmt.Errorf("%w. The new token is in %s, and may count already; run this again, which goes on with it", err, next)
		}
		if err := os.Rename(next, file); err != nil {
			return fmt.Errorf("the new token counts, and is in %s: %w. Run this again", next, err)
		}
		fmt.Fprintf(stdout, "The root token is replaced: the new one is in %s, and %s answered 401 from now on.\n"+
			"Give the file to every server that has --root-token-file: with the old one it would not start again. Nothing need be restarted.\n"+
			"Then give the new token to whoever may use it.\n", cfg.File, goneTokens(gone))
		return nil
	})
}

func goneTokens(n int) string {
	if n <= 1 { // an earlier run may have removed it
		return "the old one is"
	}
	return fmt.Sprintf("%d old ones are", n)
}

// nextToken is what an earlier run has left, or a new one. like: who may read it;
// nil: its owner.
func nextToken(file string, like fs.FileInfo) (string, error) {
	_, err := os.Stat(file)
	if err == nil {
		token, err := readToken(file)
		if err != nil {
			return "", fmt.Errorf("%w. No earlier run of this has left it so: look at it, and remove it", err)
		}
		return token, nil
	}
	token := NewToken()
	if errors.Is(err, fs.ErrNotExist) {
		err = swap(file, []byte(token+"\n"), like)
	}
	if err != nil {
		return "", fmt.Errorf("writing the new token: %w", err)
	}
	return token, nil
}

// tokenPlace is the file that a name leads to, and who may read it; nil if it is
// not there yet.
func tokenPlace(name string) (file string, like fs.FileInfo, err error) {
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return name, nil, nil
	}
	if file, err = filepath.EvalSymlinks(name); err == nil {
		like, err = os.Stat(file)
	}
	if err == nil && !like.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", file)
	}
	if err != nil {
		return "", nil, fmt.Errorf("the token could not be kept there: %w", err)
	}
	return file, like, nil
}
