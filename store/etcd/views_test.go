package etcd

import (
	"fmt"
	"testing"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// Each View after a change of a large inventory holds a copy of it.
func TestThePastOfALargeInventoryIsKeptShort(t *testing.T) {
	const hosts = 10_000
	var v views
	d := store.NewDraft(nil, 1)
	d.Site("hq").PutSite(farm.NewSite("hq"), 1)
	for i := range hosts {
		d.Site("hq").PutHost("vc-1", farm.Host{ID: farm.HostID(fmt.Sprint(i))})
	}
	v.reset(d.View(), 0)
	for rev := farm.Revision(2); rev < 200; rev++ {
		d := store.NewDraft(v.latest.Load(), rev)
		d.Site("hq").PutHost("vc-1", farm.Host{ID: "0", Name: fmt.Sprint(rev)})
		v.add(d.View())
	}
	if n := len(v.kept); n != hostsKept/hosts {
		t.Errorf("%d Views are kept", n)
	}
	if at := v.at(199 - hostsKept/hosts); at != nil {
		t.Errorf("revision %d is kept", at.Revision)
	}
	if at := v.at(198); at == nil || at.Sites["hq"].Hosts["vc-1"]["0"].Name != "198" {
		t.Errorf("revision 198: %v", at)
	}
	for rev := farm.Revision(200); rev < 500; rev++ { // what copies nothing is kept as long as ever
		v.add(store.NewDraft(v.latest.Load(), rev).View())
	}
	if n := len(v.kept); n != viewsKept || v.copied != 0 {
		t.Errorf("%d Views are kept, %d Hosts", n, v.copied)
	}
}
