package client

import (
	"fmt"
	"strings"

	"github.com/quorate/quorate/farm"
)

// Sentence says what happened, and why.
func (e Event) Sentence() string {
	_, name, _ := strings.Cut(e.Subject, "/")
	what := e.Type + " " + e.Subject
	switch farm.EventType(e.Type) {
	case farm.EventOwnerChanged:
		what = fmt.Sprintf("%s: %s → %s, epoch %d", name, nobody(e.From), nobody(e.To), e.Epoch)
	case farm.EventStateChanged:
		what = fmt.Sprintf("%s: %s", name, change(e))
	case farm.EventHAChanged:
		what = "high availability: " + change(e)
	case farm.EventBrokerOnline, farm.EventBrokerOffline, farm.EventActivated, farm.EventReleased, farm.EventConfigChanged:
		if e.Message != "" {
			return e.Message
		}
	}
	if e.Reason != "" {
		what += " (" + e.Reason + ")"
	}
	if e.Message != "" {
		what += ". " + e.Message
	}
	return what
}

func change(e Event) string {
	if e.From == "" {
		return e.To
	}
	return e.From + " → " + e.To
}

func nobody(id string) string {
	if id == "" {
		return "nobody"
	}
	return id
}
