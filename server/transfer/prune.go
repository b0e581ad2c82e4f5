package transfer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// prunable refuses to prune by what is not said: a Site without the key may be
// about something else, and is not to lose all its brokers or Providers for it.
func (d Document) prunable(o Options) error {
	if !o.Prune {
		return nil
	}
	var unsaid []string
	for _, id := range slices.Sorted(maps.Keys(d.Sites)) {
		if d.Sites[id].Brokers == nil {
			unsaid = append(unsaid, fmt.Sprintf("  sites/%s has no %s", id, brokers))
		}
		if d.Sites[id].Providers == nil {
			unsaid = append(unsaid, fmt.Sprintf("  sites/%s has no %s", id, providers))
		}
	}
	if len(unsaid) == 0 {
		return nil
	}
	return errors.New("--prune needs both brokers and providers of each Site in the document, {} where all are to go:\n" + strings.Join(unsaid, "\n"))
}
