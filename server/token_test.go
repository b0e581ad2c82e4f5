package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/mem"
)

const someToken = "a-token-that-somebody-made-up"

var silent = slog.New(slog.DiscardHandler)

func TestAFarmsFirstTokenIsPrintedOnce(t *testing.T) {
	st := mem.New()
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := ensureRootToken(t.Context(), st, "", out, silent); err != nil {
			t.Fatal(err)
		}
	}
	if second.Len() > 0 {
		t.Errorf("the second server printed %q", second.String())
	}
	_, token, _ := strings.Cut(first.String(), "    ")
	token, _, _ = strings.Cut(token, "\n")
	if !strings.HasPrefix(token, "qr_") || len(token) < 40 {
		t.Fatalf("printed: %q", first.String())
	}
	if !knows(t, st, token) {
		t.Error("the token that was printed is not the Farm's")
	}
}

func TestAGivenTokenBecomesTheFarmsAndIsNotPrinted(t *testing.T) {
	st := mem.New()
	var out bytes.Buffer
	for range 2 { // two servers are given the same
		if err := ensureRootToken(t.Context(), st, someToken, &out, silent); err != nil {
			t.Fatal(err)
		}
	}
	if !knows(t, st, someToken) || out.Len() > 0 {
		t.Errorf("known: %v, printed: %q", knows(t, st, someToken), out.String())
	}
}

func TestAnotherTokenThanTheFarmsIsRefused(t *testing.T) {
	st := mem.New()
	if err := ensureRootToken(t.Context(), st, someToken, nil, silent); err != nil {
		t.Fatal(err)
	}
	err := ensureRootToken(t.Context(), st, "another-token-that-is-long", nil, silent)
	if !errors.Is(err, ErrOtherRootToken) {
		t.Errorf("got %v", err)
	}
	if len(st.Latest().Tokens) != 1 {
		t.Error("it was stored")
	}
}

func TestTheTokenWaitsForStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		st.Down(true)
		done := make(chan error, 1)
		go func() { done <- ensureRootToken(t.Context(), st, someToken, nil, silent) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
		st.Down(false)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if !knows(t, st, someToken) {
			t.Error("it is not the Farm's")
		}
	})
}

func TestAStopEndsTheWaitForStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := mem.New()
		st.Down(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := ensureRootToken(ctx, st, someToken, nil, silent); err != nil {
			t.Error(err)
		}
	})
}

func TestATokenFileHoldsOneLongToken(t *testing.T) {
	for content, ok := range map[string]bool{
		someToken:                        true,
		"  " + someToken + "\n":          true,
		"":                               false,
		"short":                          false,
		someToken + "\n" + someToken:     false,
		"a token with spaces in it here": false,
	} {
		file := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readRootToken(file)
		if (err == nil) != ok || (ok && got != someToken) {
			t.Errorf("%q: %q, %v", content, got, err)
		}
		if err != nil && content != "" && strings.Contains(err.Error(), content) {
			t.Errorf("the error repeats the token: %v", err)
		}
	}
	if _, err := readRootToken(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there was read")
	}
}

func knows(t *testing.T, st store.Store, token string) bool {
	t.Helper()
	view, err := st.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, known := view.Tokens[hashToken(token)]
	return known
}
