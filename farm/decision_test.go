package farm_test

import (
	"slices"
	"testing"

	"github.com/quorate/quorate/farm"
)

func TestAHandoverCarriedOut(t *testing.T) {
	asked := farm.Ownership{
		Broker: "cb-1", Incarnation: 10, Epoch: 4, Since: start, Reason: farm.ReasonInitial, Message: "The Provider is new.", Home: "cb-3",
		Target: "cb-2", TargetIncarnation: 20, TargetReason: farm.ReasonOperatorDrain, TargetMessage: "Broker cb-1 is draining.", TargetHome: "cb-1",
	}
	if got, want := farm.HandedOver(asked), (farm.Ownership{
		Broker: "cb-2", Incarnation: 20, Epoch: 5, Since: start, Reason: farm.ReasonOperatorDrain, Message: "Broker cb-1 is draining.", Home: "cb-1",
	}); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got, want := farm.Cancelled(asked), (farm.Ownership{
		Broker: "cb-1", Incarnation: 10, Epoch: 4, Since: start, Reason: farm.ReasonInitial, Message: "The Provider is new.", Home: "cb-3",
	}); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	released := farm.Released(farm.Ownership{Epoch: 6, Reason: farm.ReasonMajorityLost, Home: "cb-1", Releasing: "cb-1", ReleasingIncarnation: 10})
	if want := (farm.Ownership{Epoch: 6, Reason: farm.ReasonMajorityLost, Home: "cb-1"}); released != want {
		t.Errorf("got  %+v\nwant %+v", released, want)
	}
}

// What must hold in the transaction that stores a decision, or a Provider could
// have two owners.
func TestGuards(t *testing.T) {
	one, again, two := farm.Life{Broker: "cb-1", Incarnation: 10}, farm.Life{Broker: "cb-1", Incarnation: 11}, farm.Life{Broker: "cb-2", Incarnation: 20}
	owned := func(l farm.Life) farm.Ownership { return farm.Ownership{Broker: l.Broker, Incarnation: l.Incarnation} }
	to := func(o farm.Ownership, l farm.Life) farm.Ownership {
		o.Target, o.TargetIncarnation = l.Broker, l.Incarnation
		return o
	}
	releasing := func(l farm.Life) farm.Ownership {
		return farm.Ownership{Releasing: l.Broker, ReleasingIncarnation: l.Incarnation}
	}
	for _, c := range []struct {
		name          string
		was, next     farm.Ownership
		gone, present []farm.Life
	}{
		{"a first owner", farm.Ownership{}, owned(one), nil, []farm.Life{one}},
		{"a takeover", owned(one), owned(two), []farm.Life{one}, []farm.Life{two}},
		{"a takeover by the broker's next life", owned(one), owned(again), []farm.Life{one}, []farm.Life{again}},
		{"a handover asked for", owned(one), to(owned(one), two), nil, []farm.Life{two}},
		{"a handover called off", to(owned(one), two), owned(one), nil, nil},
		{"taken from a living owner", owned(one), releasing(one), nil, nil},
		{"taken from a dead owner", owned(one), farm.Ownership{}, []farm.Life{one}, nil},
		{"given when the former owner let go", farm.Ownership{}, owned(two), nil, []farm.Life{two}},
		{"given when the former owner died letting go", releasing(one), owned(two), []farm.Life{one}, []farm.Life{two}},
	} {
		gone, present := farm.Decision{Was: farm.Stored[farm.Ownership]{Value: c.was}, Next: c.next}.Guards()
		if !slices.Equal(gone, c.gone) || !slices.Equal(present, c.present) {
			t.Errorf("%s: gone %v, present %v", c.name, gone, present)
		}
	}
}

func TestTheEventOfAnOwnerChange(t *testing.T) {
	was := farm.Ownership{Broker: "cb-1", Incarnation: 10, Epoch: 1}
	next := farm.Ownership{Broker: "cb-2", Incarnation: 20, Epoch: 2, Reason: farm.ReasonBrokerOffline, Message: "Broker cb-1 is offline."}
	e := farm.OwnerChanged("vc-1", was, next, start)
	if want := (farm.Event{
		Time: start, Type: farm.EventOwnerChanged, Subject: "providers/vc-1", From: "cb-1", To: "cb-2", Epoch: 2,
		Reason: farm.ReasonBrokerOffline, Message: "Broker cb-1 is offline.", Cause: "brokers/cb-1",
	}); e == nil || *e != want {
		t.Errorf("got %+v", e)
	}
	target := was
	target.Target = "cb-2"
	if e := farm.OwnerChanged("vc-1", was, target, start); e != nil {
		t.Errorf("a target is no owner: %+v", e)
	}
	again := was
	again.Incarnation, again.Epoch = 11, 2
	if e := farm.OwnerChanged("vc-1", was, again, start); e == nil || e.Cause != "" {
		t.Errorf("another life of the same broker: %+v", e)
	}
}
