package doctor

import (
	"fmt"
	"strings"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// judgeWhole names what is stored and cannot be read, and how to mend it.
func judgeWhole(prefix string, view *store.View) (all []Finding) {
	for _, key := range view.Unreadable {
		all = append(all, failed("stored", "The value of "+key+" cannot be read. Servers that knew it go on with that; one that starts now does not know it.", mendKey(prefix, key)))
	}
	return all
}

// mendKey: what only servers write is theirs to write again, and an epoch must never
// run backwards.
func mendKey(prefix, key string) string {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(key, prefix), "/")
	compare := "Compare it with a snapshot (docs/backup.md):\netcdctl get " + key + "\n"
	switch kind {
	case "owners", "epochs":
		return "Do not delete it: it keeps epochs from running backwards. The coordinator stores it again if it still knows it. If not, stop every server, then:\nquorate raise-epochs\nIt makes the record anew, above every epoch that there was. Start the servers again."
	case "coordinator":
		return "Delete it; do not put it back: another coordinator is elected at once.\netcdctl del " + key
	case "presence":
		return "Restart the server of broker " + rest + ". If the key is still there when that server is stopped, delete it then:\netcdctl del " + key
	case "seats":
		return "The coordinator stores it again if it still knows it. If not: " + compare + "Put its value back. If it is lost, delete the key once every broker is online: the coordinator makes it anew."
	case "status", "hosts", "events", "tasks":
		return "Delete it: it is only told, and nothing rests on it.\netcdctl del " + key
	}
	return "Store it again through a server that still shows it, with the console or the REST API. Else: " + compare + "Put its value back. If it is lost, delete the key and configure anew what it held."
}

// judgeCoordinator: brokers that are online elect one at once.
func judgeCoordinator(prefix string, site farm.SiteID, p *farm.Picture) Finding {
	if p.Coordinator.Broker != "" || len(p.Presence) == 0 {
		return Finding{}
	}
	key := prefix + "coordinator/" + string(site)
	return failed("coordinator "+string(site), fmt.Sprintf("No broker coordinates the Site, though %d are online: nothing is taken over.", len(p.Presence)),
		"Run this again: one is elected within seconds. If it stays, look at the brokers' logs, and at who has written the key:\netcdctl get "+key+"\nIf no broker that is online removes it: etcdctl del "+key)
}
