package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/handlers"
	"github.com/quorate/quorate/server/transfer"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
)

// What a command is told but once has no environment variable: QUORATE_SITE, set
// for a server, must not make half a backup of it.

// ExportConfig is what `quorate export` can be told.
type ExportConfig struct {
	StorageConfig  `embed:""`
	Site           farm.SiteID `help:"Export this Site alone." placeholder:"ID" env:"-"`
	WithSecrets    bool        `name:"with-secrets" env:"-" help:"With the Providers' passwords, encrypted to the passphrase. Needs --secret-key-file."`
	PassphraseFile string      `name:"passphrase-file" help:"File whose first line is the passphrase." placeholder:"FILE"`
	File           string      `arg:"" optional:"" help:"Where to write it; a file that is there is replaced, a device or pipe written to. Default: standard output."`
}

// ImportConfig is what `quorate import` can be told.
type ImportConfig struct {
	StorageConfig              `embed:""`
	DryRun                     bool   `name:"dry-run" env:"-" help:"Show what would change, and change nothing."`
	OnlyNew                    bool   `name:"only-new" env:"-" help:"Add what is missing, and leave everything that is there as it is."`
	Prune                      bool   `env:"-" help:"Delete the brokers and Providers that the document's Sites have beside it. Sites are never deleted."`
	AcceptHighAvailabilityLoss bool   `name:"accept-high-availability-loss" env:"-" help:"Go on although high availability turns off."`
	PassphraseFile             string `name:"passphrase-file" help:"File whose first line is the passphrase of the document's passwords." placeholder:"FILE"`
	File                       string `arg:"" help:"The document; - is standard input."`
}

// Export writes the Farm's configuration as a document.
func Export(ctx context.Context, cfg ExportConfig, stdout, stderr io.Writer) error {
	passphrase, err := readPassphrase(cfg.PassphraseFile)
	switch {
	case err != nil:
		return err
	case cfg.WithSecrets && passphrase == "":
		return errors.New("--with-secrets needs --passphrase-file: passwords are never written as they are")
	case !cfg.WithSecrets:
		cfg.SecretKeyFile = "" // not needed, so it need not be right
	}
	return withStore(ctx, cfg.StorageConfig, stderr, func(ctx context.Context, st *etcd.Store) error {
		f := transferred(st, stderr)
		export := f.Export
		if cfg.WithSecrets {
			export = func(ctx context.Context, site farm.SiteID) (transfer.Document, error) {
				return f.ExportWithSecrets(ctx, site, passphrase)
			}
		}
		d, err := export(ctx, cfg.Site)
		if err != nil {
			return secretKeyAdvice(err)
		}
		text, err := d.Encode()
		if err != nil {
			return err
		}
		return writeDocument(cfg.File, text, stdout)
	})
}

// Import makes the Farm's configuration what a document says.
func Import(ctx context.Context, cfg ImportConfig, stdin io.Reader, stdout, stderr io.Writer) error {
	if cfg.OnlyNew && cfg.Prune {
		return errors.New("--only-new leaves everything that is there as it is, and --prune deletes some of it: give one of them")
	}
	cfg.NewFarm = !cfg.DryRun // an import brings a Farm to a new etcd; a rehearsal makes nothing
	passphrase, err := readPassphrase(cfg.PassphraseFile)
	if err != nil {
		return err
	}
	d, err := readDocument(cfg.File, stdin)
	if err != nil {
		return err
	}
	return withStore(ctx, cfg.StorageConfig, stderr, func(ctx context.Context, st *etcd.Store) error {
		outcome, err := transferred(st, stderr).Import(ctx, d, transfer.Options{
			Passphrase: passphrase, OnlyNew: cfg.OnlyNew, Prune: cfg.Prune, DryRun: cfg.DryRun, AcceptHighAvailabilityLoss: cfg.AcceptHighAvailabilityLoss,
		})
		if err != nil {
			return secretKeyAdvice(err)
		}
		tell(stdout, outcome, cfg)
		return nil
	})
}

// transferred is the Farm behind the API that its servers have.
func transferred(st store.Store, stderr io.Writer) transfer.Farm {
	return transfer.Farm{Store: st, API: func(st store.Store) (http.Handler, error) {
		c := handlers.DefaultConfig()
		c.Store, c.Kinds, c.Log = st, kinds(drivers()), commandLog(stderr)
		c.Timing = DefaultConfig().Timing()
		c.Bounds = c.Timing.Bounds()
		return handlers.New(c)
	}}
}

func secretKeyAdvice(err error) error {
	if errors.Is(err, store.ErrSecretKey) {
		return fmt.Errorf("%w. Give --secret-key-file, the one that the Farm's servers have", err)
	}
	return err
}

// tell says what an import did or would do.
func tell(w io.Writer, o transfer.Outcome, cfg ImportConfig) {
	for _, line := range o.Differences {
		fmt.Fprintln(w, line)
	}
	now := "everything is as the document says."
	switch {
	case cfg.OnlyNew:
		now = "everything that the document names is there."
	case len(o.Left) > 0:
		now = "everything that the document names is as it says."
	}
	switch {
	case len(o.Differences) == 0 && cfg.DryRun:
		fmt.Fprintln(w, "Nothing would change.")
	case len(o.Differences) == 0:
		fmt.Fprintln(w, "Nothing has changed: "+now)
	case cfg.DryRun:
		fmt.Fprintln(w, "That would change. Nothing is stored yet.")
	default:
		fmt.Fprintln(w, "E"+now[1:])
	}
	if len(o.Left) > 0 {
		fmt.Fprintf(w, "Not in the document, left alone:%s\n", namesOf(o.Left))
	}
	if len(o.Lacking) > 0 {
		fmt.Fprintf(w, "These Providers have a user name and no password; set it by the REST API or the console:%s\n", namesOf(o.Lacking))
	}
}

// namesOf are some names on the line, or many on lines of their own.
func namesOf(names []string) string {
	if len(names) <= 5 {
		return " " + strings.Join(names, ", ")
	}
	return "\n  " + strings.Join(names, "\n  ")
}

// readPassphrase returns the first line of a file; empty if no file is named.
func readPassphrase(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("--passphrase-file: %w", err)
	}
	line, _, _ := strings.Cut(string(content), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("--passphrase-file: the first line of %s is empty", file)
	}
	return line, nil
}

func readDocument(file string, stdin io.Reader) (transfer.Document, error) {
	var text []byte
	var err error
	if file == "-" {
		text, err = io.ReadAll(stdin)
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return transfer.Document{}, fmt.Errorf("reading the document: %w", err)
	}
	return transfer.Decode(text)
}
