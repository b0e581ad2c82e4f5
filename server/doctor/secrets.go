package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
)

const otherKey = "Give --secret-key-file the key that the Farm's other servers have. If a key was retired too early: the file that was kept then, and run 'quorate secret-key reseal' with it."

// secrets opens every Provider's secret, of all Sites, and keeps none: whoever is
// about to retire a key must know of each that would be lost.
func (v *visit) secrets(ctx context.Context, st *etcd.Store, view *store.View) []Finding {
	const what = "secret key"
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	known, err := st.TrySecretKey(ctx)
	if errors.Is(err, store.ErrSecretKey) {
		return []Finding{failed(what, "It cannot open what the Farm's servers have encrypted: this is not the Farm's key, or there is none.", otherKey)}
	}
	if err != nil {
		return []Finding{failed(what, "What the Farm has sealed as its proof cannot be opened: "+sentence(err), "Compare it with a snapshot (docs/backup.md):\netcdctl get "+v.EtcdPrefix+"secret-key")}
	}
	all, err := st.TrySecrets(ctx)
	if err != nil {
		return []Finding{failed(what, "Not every secret could be read: "+sentence(err), "Run this again, before you retire a key.")}
	}
	return judgeSecrets(known, all, func(s etcd.Tried) bool {
		key := v.EtcdPrefix + strings.Replace(strings.TrimPrefix(s.Key, v.EtcdPrefix), "secrets", "providers", 1)
		_, unread := view.Unread(key)
		p := view.Picture(s.Site)
		return unread || p != nil && p.Providers[s.Provider].Revision != 0
	})
}

func judgeSecrets(known bool, all []etcd.Tried, needed func(etcd.Tried) bool) (found []Finding) {
	const what = "secret key"
	opened := 0
	var closed, damaged, left []string
	for _, s := range all {
		name := string(s.Site) + "/" + string(s.Provider)
		switch {
		case s.Opened:
			opened++
		case !needed(s):
			left = append(left, s.Key)
		case s.Damaged:
			damaged = append(damaged, name)
		default:
			closed = append(closed, name)
		}
	}
	if len(closed) > 0 {
		found = append(found, failed(what, fmt.Sprintf("The secrets of these Providers cannot be opened (%d of %d): %s.", len(closed), len(all), strings.Join(closed, ", ")), otherKey))
	}
	if len(damaged) > 0 {
		found = append(found, failed(what, "What is stored as the secrets of these Providers cannot be read: "+strings.Join(damaged, ", ")+".", "Store their passwords again, with the console or the REST API."))
	}
	if len(left) > 0 {
		found = append(found, warned(what, "These secrets cannot be opened, and their Providers are not there: "+strings.Join(left, ", ")+".", "They were left over. Delete them:\netcdctl del "+strings.Join(left, "\netcdctl del ")))
	}
	if len(closed)+len(damaged) == 0 && (opened > 0 || known) {
		found = append(found, fine(what, "It is the Farm's, and opens "+allSecrets(opened)+"."))
	}
	return found
}

func allSecrets(n int) string {
	switch n {
	case 0:
		return "what the Farm has sealed as its proof; no secret is stored yet"
	case 1:
		return "the one stored secret"
	}
	return fmt.Sprintf("all %d stored secrets", n)
}
