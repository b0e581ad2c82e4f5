package farm

// Decision is a change of one Provider's ownership that the rules ask for.
type Decision struct {
	Provider ProviderID
	Was      Stored[Ownership] // the record it replaces; Revision 0: none
	Next     Ownership
	Event    *Event // nil: nothing a person needs to hear of
}

// Guards names the lives that must be gone and those that must be present, in
// the very transaction that stores the decision. They are what keeps a Provider
// from having two owners: nobody becomes the owner while the one before may
// still act.
func (d Decision) Guards() (gone, present []Life) {
	was, next := d.Was.Value, d.Next
	if was.Broker != "" && owner(was) != owner(next) && next.Releasing == "" {
		gone = append(gone, owner(was))
	}
	if was.Releasing != "" && next.Releasing == "" {
		gone = append(gone, Life{was.Releasing, was.ReleasingIncarnation})
	}
	if next.Broker != "" && owner(was) != owner(next) {
		present = append(present, owner(next))
	}
	if next.Target != "" {
		present = append(present, Life{next.Target, next.TargetIncarnation})
	}
	return gone, present
}

func owner(o Ownership) Life { return Life{o.Broker, o.Incarnation} }

// Owner is the life that the record names; the zero Life if nobody.
func (o Ownership) Owner() Life { return owner(o) }

// Refusal says why a Provider is not where its settings want it.
type Refusal struct {
	Provider ProviderID
	Wanted   BrokerID // empty: any broker
	Reason   Reason
	Message  string
}

// HandedOver is the record after the owner has carried out the planned
// handover that o asks for.
func HandedOver(o Ownership) Ownership {
	next := o
	next.Broker, next.Incarnation = o.Target, o.TargetIncarnation
	next.Epoch++
	next.Reason, next.Message, next.Home = o.TargetReason, o.TargetMessage, o.TargetHome
	return Cancelled(next) // Since is the storing side's to set
}

// Cancelled is the record without the planned handover that it asks for.
func Cancelled(o Ownership) Ownership {
	o.Target, o.TargetIncarnation, o.TargetReason, o.TargetMessage, o.TargetHome = "", 0, "", "", ""
	return o
}

// Released is the record after the former owner has said that its agent has
// stopped.
func Released(o Ownership) Ownership {
	o.Releasing, o.ReleasingIncarnation = "", 0
	return o
}
