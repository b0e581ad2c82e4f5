package doctor

import (
	"cmp"
	"maps"
	"slices"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// sites are those to look at, in order: --site's, or all.
func (v *visit) sites(view *store.View) []farm.SiteID {
	if v.Site == "" {
		return ids(view.Sites)
	}
	if view.Sites[v.Site] == nil {
		return nil // it will be made
	}
	return []farm.SiteID{v.Site}
}

func ids[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
