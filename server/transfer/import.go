package transfer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// Options say how a document is imported.
type Options struct {
	Passphrase                 string // of the document's secrets
	Prune                      bool   // remove what a Site of the document has beside it
	OnlyNew                    bool   // add what is missing, and leave what is there as it is
	AcceptHighAvailabilityLoss bool
	DryRun                     bool
}

// Outcome is what an import did, or would do.
type Outcome struct {
	Differences []string // one line each; none: nothing changes
	Left        []string // what is not in the document and stays
	Lacking     []string // Providers with a user name and no password
}

// Import makes the Farm's configuration what the document says. All of it is
// rehearsed first, on a copy of the Farm: if anything is refused there, nothing
// is changed. To import the same again changes nothing.
func (f Farm) Import(ctx context.Context, d Document, o Options) (Outcome, error) {
	sealed, err := d.open(o.Passphrase)
	if err != nil {
		return Outcome{}, err
	}
	if sealed, err = d.bound(sealed); err != nil {
		return Outcome{}, err
	}
	d, secrets, err := d.passwords(sealed)
	if err != nil {
		return Outcome{}, err
	}
	if err := d.prunable(o); err != nil {
		return Outcome{}, err
	}
	view, err := f.Store.Current(ctx)
	if err != nil {
		return Outcome{}, fmt.Errorf("read the Farm: %w", err)
	}
	r := rehearse(f.Store, view)
	before, err := f.describe(ctx, r)
	if err != nil {
		return Outcome{}, err
	}
	all := d.steps(view, before, secrets, o)
	if err := f.rehearseAll(ctx, r, all); err != nil {
		return Outcome{}, err
	}
	after, err := f.describe(ctx, r)
	if err != nil {
		return Outcome{}, err
	}
	todo, err := f.effective(ctx, all, before, after)
	if err != nil {
		return Outcome{}, err
	}
	done := Outcome{Differences: differences(before, after, todo), Left: left(before, d, o)}
	if done.Lacking, err = f.lacking(ctx, r, d); err != nil || o.DryRun {
		return done, err
	}
	return done, f.takeAll(ctx, todo)
}

// rehearseAll takes all steps on the copy and reports every refusal. What is in
// a Site that was refused itself is passed over.
func (f Farm) rehearseAll(ctx context.Context, r *rehearsal, all []step) error {
	api, err := f.call(r, "import")
	if err != nil {
		return err
	}
	var refused []error
	lost := map[string]bool{}
	for _, s := range all {
		if lost[s.site()] {
			continue
		}
		if err := s.take(ctx, api); err != nil {
			refused = append(refused, explained(s, err))
			lost[s.site()] = s.path == "sites/"+s.site()
		}
	}
	if len(refused) == 0 {
		return nil
	}
	return fmt.Errorf("nothing was changed, because this was refused:\n%w", errors.Join(refused...))
}

// explained says which step was refused and, where the API cannot know it, what
// to do.
func explained(s step, err error) error {
	advice := ""
	if code := codeOf(err); code == farm.CodeThreeActiveBrokersRequired || code == farm.CodeNoBrokerAvailable {
		advice = fmt.Sprintf("\n    Start the brokers of Site %s, which join it by themselves, and import again.", s.site())
	} else if code == farm.CodeWouldTurnOffHighAvailability {
		advice = "\n    To import all the same: --accept-high-availability-loss."
	} else if code == "secret-key-required" {
		advice = "\n    For this command too it is --secret-key-file."
	}
	return fmt.Errorf("  %s: %w%s", s.path, err, advice)
}

func codeOf(err error) farm.Code {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return farm.Code(refusal.Code)
	}
	return ""
}

// effective are the steps that change something.
func (f Farm) effective(ctx context.Context, all []step, before, after Document) ([]step, error) {
	var todo []step
	was, is := before.resources(), after.resources()
	for _, s := range all {
		if s.secret != nil {
			stored, err := f.stored(ctx, s.path)
			if err != nil && !errors.Is(err, store.ErrSecretKey) { // one that cannot be opened is another one
				return nil, err
			}
			s.newSecret = err != nil || stored != *s.secret
		}
		if s.newSecret || !reflect.DeepEqual(was[s.path], is[s.path]) {
			todo = append(todo, s)
		}
	}
	return todo, nil
}

// stored reads the secret of the Provider at a path.
func (f Farm) stored(ctx context.Context, path string) (string, error) {
	part := strings.Split(path, "/")
	secret, err := f.Store.Secret(ctx, farm.SiteID(part[1]), farm.ProviderID(part[3]))
	if err != nil {
		return "", fmt.Errorf("the secret of %s: %w", path, err)
	}
	return secret, nil
}

// takeAll takes the steps for real. One that is refused all the same, since
// something has changed after the rehearsal, ends it.
func (f Farm) takeAll(ctx context.Context, todo []step) error {
	api, err := f.call(f.Store, "import")
	if err != nil {
		return err
	}
	for i, s := range todo {
		if err := s.take(ctx, api); err != nil {
			return fmt.Errorf("the import ended before its end:\n%w\n%s\n%s\nImport again: what is done is not done twice", explained(s, err),
				listed("done", todo[:i]), listed("not done", todo[i:]))
		}
	}
	return nil
}

func listed(what string, steps []step) string {
	names := []string{"nothing"}
	if len(steps) > 0 {
		names = nil
	}
	for _, s := range steps {
		names = append(names, s.path)
	}
	if len(names) > 5 {
		return "  " + what + ":\n    " + strings.Join(names, "\n    ")
	}
	return "  " + what + ": " + strings.Join(names, ", ")
}

// left names what is there and not in the document, unless it is pruned. Sites
// are never pruned: a document may be of one Site only.
func left(before, d Document, o Options) []string {
	var names []string
	in := d.resources()
	for _, path := range slices.Sorted(maps.Keys(before.resources())) {
		site := strings.Split(path, "/")[1]
		_, there := d.Sites[site]
		_, named := in[path]
		if isSite := path == "sites/"+site; there && !named && !o.Prune || !there && isSite {
			names = append(names, path)
		}
	}
	return names
}

// lacking names the document's Providers that have a user name and no password.
func (f Farm) lacking(ctx context.Context, r *rehearsal, d Document) ([]string, error) {
	var names []string
	for _, id := range slices.Sorted(maps.Keys(d.Sites)) {
		for _, name := range slices.Sorted(maps.Keys(d.Sites[id].Providers)) {
			p := r.Latest().Sites[farm.SiteID(id)].Providers[farm.ProviderID(name)].Value
			if p.Username == "" {
				continue
			}
			secret, err := r.Secret(ctx, farm.SiteID(id), farm.ProviderID(name))
			switch {
			case errors.Is(err, store.ErrSecretKey): // there is one, which is all that matters
			case err != nil:
				return nil, fmt.Errorf("the secret of sites/%s/providers/%s: %w", id, name, err)
			case secret == "":
				names = append(names, "sites/"+id+"/providers/"+name)
			}
		}
	}
	return names, nil
}
