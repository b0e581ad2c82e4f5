package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/quorate/quorate/server"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
)

// judgeFormat compares the version of what is stored with what can be read.
func judgeFormat(version int) Finding {
	const what = "stored"
	switch {
	case version == 0:
		return fine(what, "Nothing yet: the first server that starts makes the Farm.")
	case version < 0:
		return failed(what, "The record of its format is damaged.",
			"No server starts on it. Compare the key format under --etcd-prefix with a snapshot, or restore one; see docs/backup.md.")
	case version > etcd.FormatKnown:
		return failed(what, fmt.Sprintf("Format %d; this program reads up to %d.", version, etcd.FormatKnown),
			"Run the version of quorate that the Farm's newest servers run.")
	}
	return fine(what, fmt.Sprintf("Format %d, which this program reads.", version))
}

// judgeElsewhere: an etcd without a Farm where one is looked for, and with one
// elsewhere, has more often a mistyped prefix than two Farms.
func judgeElsewhere(prefix string, others []string) Finding {
	under := strings.Join(others, " and under ")
	do := fmt.Sprintf("If that Farm is meant: --etcd-prefix=%s. If not, the first server that starts makes a new one.", others[0])
	return warned("stored", fmt.Sprintf("Nothing under %s, and there is a Farm under %s.", prefix, under), do)
}

// firstView waits for the Farm as it is stored.
func firstView(ctx context.Context, st store.Store) (*store.View, *Finding) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	view, err := st.Wait(ctx, 0)
	if err != nil {
		f := failed("stored", "It cannot be read: "+sentence(err), "Mend what is said of etcd above, then run this again.")
		return nil, &f
	}
	return view, nil
}

// tokens checks that the token in --root-token-file is one of the Farm's: the
// server does not start with another.
func (v *visit) tokens(_ context.Context, _ *etcd.Store, view *store.View) []Finding {
	token, err := v.RootToken()
	if err != nil || token == "" || len(view.Tokens) == 0 {
		return nil
	}
	const what = "root token"
	if !server.Knows(view, token) {
		return []Finding{failed(what, "The Farm does not know the token in "+v.RootTokenFile+": it was started with another one, or its token was replaced since.",
			"Give the token that counts, or leave --root-token-file out. If it is lost: quorate root-token replace.")}
	}
	return []Finding{fine(what, "The Farm knows it.")}
}
