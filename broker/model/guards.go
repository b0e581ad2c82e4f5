package model

// without is which of the protocol's guards the model leaves out. The zero value
// is the protocol as it is.
type without struct {
	margin        bool // a broker stops acting a margin before its lease can end
	sendTime      bool // the permit counts from when the renewal was sent
	gone          bool // only whose life is gone is replaced
	goneCompare   bool // the transaction compares that too
	record        bool // the transaction compares the record
	term          bool // the transaction compares the term
	targetCompare bool // the transaction compares that the new owner's life is there
	ownWord       bool // only the owner itself hands over
	drained       bool // it does so when none of its calls is under way any more
	releasing     bool // who was taken a Provider from is waited for
	check         bool // the permit is asked before every call
	death         bool // the guard revokes the lease only of a dead process

}
