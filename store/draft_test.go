package store_test

import (
	"fmt"
	"testing"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

func bigView() *store.View {
	d := store.NewDraft(nil, 1)
	s := d.Site("hq")
	s.PutSite(farm.NewSite("hq"), 1)
	for i := range 1000 {
		id := farm.ProviderID(fmt.Sprint("vc-", i))
		s.PutProvider(farm.Provider{ID: id}, 1)
		s.PutOwner(id, farm.Ownership{Epoch: 1}, 1)
		s.PutReport(id, farm.Report{Epoch: 1})
		for j := range 50 {
			s.PutHost(id, farm.Host{ID: farm.HostID(fmt.Sprint("vm-", j))})
		}
	}
	for i := range store.EventsInView {
		s.AddEvents(farm.Event{ID: fmt.Sprint(i)})
	}
	return d.View()
}

func TestADraftLeavesTheViewBeforeAsItWas(t *testing.T) {
	before := bigView()
	d := store.NewDraft(before, 2)
	s := d.Site("hq")
	s.DeleteProvider("vc-1")
	s.PutOwner("vc-1", farm.Ownership{Epoch: 9}, 2)
	s.DeleteHost("vc-1", "vm-1")
	s.DeleteHosts("vc-2")
	s.PutHost("vc-3", farm.Host{ID: "vm-1", Name: "new"})
	s.AddEvents(farm.Event{ID: "new"})
	d.PutToken("h", store.Token{Name: "t"})
	after := d.View()

	p := before.Sites["hq"]
	if p.Revision != 1 || len(p.Providers) != 1000 || p.Owners["vc-1"].Value.Epoch != 1 || len(p.Hosts["vc-1"]) != 50 ||
		len(p.Hosts["vc-2"]) != 50 || p.Hosts["vc-3"]["vm-1"].Name != "" || p.Events[0].ID != "0" || len(before.Tokens) != 0 {
		t.Error("the view before has changed")
	}
	q := after.Sites["hq"]
	if q.Revision != 2 || len(q.Providers) != 999 || q.Owners["vc-1"].Value.Epoch != 9 || len(q.Hosts["vc-1"]) != 49 ||
		q.Hosts["vc-2"] != nil || q.Hosts["vc-3"]["vm-1"].Name != "new" || len(q.Events) != store.EventsInView ||
		q.Events[0].ID != "1" || q.Events[len(q.Events)-1].ID != "new" || len(after.Tokens) != 1 {
		t.Errorf("the view after is not as drafted")
	}
	// Whoever appends to a picture's events writes on nobody else's.
	_ = append(q.Events, farm.Event{ID: "somebody's"})
	next := store.NewDraft(after, 3)
	next.Site("hq").AddEvents(farm.Event{ID: "newer"})
	if e := next.View().Sites["hq"].Events; e[len(e)-1].ID != "newer" {
		t.Errorf("last event: %+v", e[len(e)-1])
	}
	gone := store.NewDraft(after, 4)
	gone.DeleteSite("hq")
	if v := gone.View(); v.Picture("hq") != nil || len(v.Sites) != 0 || v.Tokens["h"].Name != "t" {
		t.Errorf("left of a deleted Site: %+v", v)
	}
}

// BenchmarkDraft is what one report costs the View of a Site with 1000
// Providers of 50 Hosts.
func BenchmarkDraft(b *testing.B) {
	v := bigView()
	for i := 0; b.Loop(); i++ {
		d := store.NewDraft(v, v.Revision+1)
		s := d.Site("hq")
		s.PutReport("vc-1", farm.Report{Hosts: i})
		s.PutHost("vc-1", farm.Host{ID: "vm-1"})
		s.AddEvents(farm.Event{ID: "e"})
		v = d.View()
	}
}
