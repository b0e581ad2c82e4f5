package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/quorate/quorate/store"
)

// ErrOtherRootToken: the Farm was started with another token than the one in
// --root-token-file.
var ErrOtherRootToken = errors.New("the Farm does not know the token in --root-token-file")

// minToken is the shortest token that is taken from a file: what a person can
// make up is too weak to be kept behind one round of SHA-256.
const minToken = 20

// attemptTimeout is how long storage may take to answer one attempt.
const attemptTimeout = 5 * time.Second

// readRootToken returns the token in a file; empty if no file is named.
func readRootToken(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	token, err := readToken(file)
	if err != nil {
		return "", fmt.Errorf("--root-token-file: %w", err)
	}
	return token, nil
}

func readToken(file string) (string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(content))
	if len(token) < minToken || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("%s must hold one token of at least %d characters without spaces; a good one is made by: openssl rand -base64 32", file, minToken)
	}
	return token, nil
}

// NewToken makes an API token that nobody can guess.
func NewToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return "qr_" + base64.RawURLEncoding.EncodeToString(b)
}

func hashToken(token string) store.TokenHash {
	sum := sha256.Sum256([]byte(token))
	return store.TokenHash(hex.EncodeToString(sum[:]))
}

// ensureRootToken blocks until the Farm has an API token. If the Farm has none,
// the given one becomes its first; an empty one is made up and printed. Storage
// may be away for as long as it likes. A nil error with ctx ended means that
// the server was stopped before it could know.
func ensureRootToken(ctx context.Context, st store.Store, given string, out io.Writer, log *slog.Logger) error {
	if err := firstView(ctx, st, log); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	return insist(ctx, log, "looking for the Farm's first token", func(ctx context.Context) error {
		return tryRootToken(ctx, st, given, out)
	})
}

// insist tries until it succeeds, is told that this server does not belong to
// the Farm, or ctx ends, which is no error.
func insist(ctx context.Context, log *slog.Logger, doing string, try func(context.Context) error) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		err := try(attempt)
		cancel()
		if err == nil || errors.Is(err, ErrOtherRootToken) || errors.Is(err, errOtherSecretKey) || errors.Is(err, errNoSecretKey) || errors.Is(err, store.ErrFormat) {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		log.Warn("trying again", "doing", doing, "err", err)
		retry := time.NewTimer(time.Second + mathrand.N(time.Second))
		select {
		case <-retry.C:
		case <-ctx.Done():
			retry.Stop()
			return nil
		}
	}
}

// firstView blocks until storage has answered once, and says what keeps it from
// that: it may be a wrong --etcd.
func firstView(ctx context.Context, st store.Store, log *slog.Logger) error {
	for limit := 3 * time.Second; ; limit = time.Minute {
		attempt, cancel := context.WithTimeout(ctx, limit)
		_, err := st.Wait(attempt, 0)
		cancel()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, store.ErrFormat) {
			return err
		}
		asking, cancel := context.WithTimeout(ctx, time.Second)
		health := st.Health(asking)
		cancel()
		log.Warn("storage has not answered yet; requests are answered 503 until it does", "problem", health.Problem)
	}
}

func tryRootToken(ctx context.Context, st store.Store, given string, out io.Writer) error {
	view, err := st.Current(ctx)
	if err != nil {
		return fmt.Errorf("reading the Farm's tokens: %w", err)
	}
	if len(view.Tokens) == 0 {
		token := given
		if token == "" {
			token = NewToken()
		}
		created, err := st.CreateRootToken(ctx, hashToken(token), store.Token{Name: "root", CreatedAt: time.Now().UTC()})
		if err != nil {
			return fmt.Errorf("creating the root token: %w", err)
		}
		if created {
			if given == "" {
				printToken(out, token)
			}
			return nil
		}
		if view, err = st.Current(ctx); err != nil {
			return fmt.Errorf("reading the Farm's tokens: %w", err)
		}
	}
	if given == "" {
		return nil
	}
	if _, known := view.Tokens[hashToken(given)]; !known {
		return fmt.Errorf("%w: it was started with another one, or its token was replaced since. Give the token that counts, or leave --root-token-file out", ErrOtherRootToken)
	}
	return nil
}

func printToken(out io.Writer, token string) {
	const line = "--------------------------------------------------------------------------"
	fmt.Fprintf(out, "%s\nThe Farm's root token. Keep it safe: it is shown this once and stored hashed.\n\n    %s\n%s\n", line, token, line)
}
