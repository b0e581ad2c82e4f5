package farm

import "testing"

func TestNothingIsDecidedAboutWhatCannotBeRead(t *testing.T) {
	p := &Picture{
		Providers: map[ProviderID]Stored[Provider]{"vc-1": {Revision: 1}, "vc-2": {Revision: 2}, "new": {Revision: 3}},
		Owners:    map[ProviderID]Stored[Ownership]{"vc-1": {Revision: 4}, "vc-2": {Revision: 5}},
	}
	if p.Decidable() != p {
		t.Error("all can be read, and it is another picture")
	}
	p.Unreadable = Unreadable{Keys: []string{"k"}, Providers: map[ProviderID]bool{"vc-1": true}}
	some := p.Decidable()
	if len(some.Providers) != 2 || len(some.Owners) != 1 || len(p.Providers) != 3 || len(p.Owners) != 2 {
		t.Errorf("one Provider: %v %v", some.Providers, some.Owners)
	}
	p.Unreadable = Unreadable{Keys: []string{"k"}, Floor: true}
	some = p.Decidable()
	if _, there := some.Providers["new"]; there || len(some.Providers) != 2 || len(some.Owners) != 2 {
		t.Errorf("the floor: %v %v", some.Providers, some.Owners)
	}
	p.Unreadable = Unreadable{Keys: []string{"k"}, Site: true}
	if p.Decidable() != nil || (*Picture)(nil).Decidable() != nil {
		t.Error("of a Site that nothing is known of something is decided")
	}
}

func TestWhatIsStillKnownIsStoredAgain(t *testing.T) {
	p := &Picture{
		Seats:      Stored[Seats]{Value: Seats{Armed: true}, Revision: 7},
		Owners:     map[ProviderID]Stored[Ownership]{"vc-1": {Value: Ownership{Epoch: 4}, Revision: 8}, "vc-2": {Revision: 9}},
		Unreadable: Unreadable{Seats: true, Owners: map[ProviderID]bool{"vc-1": true, "vc-2": true}},
	}
	out := p.Restored(Outcome{Decisions: []Decision{{Provider: "vc-2", Next: Ownership{Epoch: 2}}}})
	if out.Seats == nil || !out.Seats.Armed || len(out.Decisions) != 2 || out.Decisions[1].Next.Epoch != 4 || out.Decisions[1].Was.Revision != 8 {
		t.Errorf("%+v", out)
	}
}
