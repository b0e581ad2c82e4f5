package farm

import (
	"fmt"
	"time"
)

// OwnerChanged is the event of an ownership record replaced by another one;
// nil if the owner is the same.
func OwnerChanged(id ProviderID, was, next Ownership, now time.Time) *Event {
	if was.Owner() == next.Owner() {
		return nil
	}
	e := &Event{
		Time: now, Type: EventOwnerChanged, Subject: ProviderSubject(id),
		From: string(was.Broker), To: string(next.Broker), Epoch: next.Epoch,
		Reason: next.Reason, Message: next.Message,
	}
	if was.Broker != "" && was.Broker != next.Broker {
		e.Cause = BrokerSubject(was.Broker)
	}
	return e
}

// Subjects of events.
const SiteSubject = "site"

func BrokerSubject(id BrokerID) string     { return fmt.Sprintf("brokers/%s", id) }
func ProviderSubject(id ProviderID) string { return fmt.Sprintf("providers/%s", id) }
