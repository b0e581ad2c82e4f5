package client_test

import (
	"testing"

	"github.com/quorate/quorate/server/client"
)

func TestTheStoryIsToldInSentences(t *testing.T) {
	for _, c := range []struct {
		event client.Event
		want  string
	}{
		{client.Event{Type: "provider.owner-changed", Subject: "providers/vc-1", From: "cb-1", To: "cb-2", Epoch: 2, Reason: "broker-offline", Message: "Broker cb-1 is offline."},
			"vc-1: cb-1 → cb-2, epoch 2 (broker-offline). Broker cb-1 is offline."},
		{client.Event{Type: "provider.owner-changed", Subject: "providers/vc-1", From: "cb-1", Epoch: 3, Reason: "majority-lost"},
			"vc-1: cb-1 → nobody, epoch 3 (majority-lost)"},
		{client.Event{Type: "provider.state-changed", Subject: "providers/vc-1", From: "connecting", To: "connected"},
			"vc-1: connecting → connected"},
		{client.Event{Type: "broker.offline", Subject: "brokers/cb-1", Message: "Broker cb-1 is offline."},
			"Broker cb-1 is offline."},
		{client.Event{Type: "site.high-availability-changed", Subject: "site", From: "on", To: "lost", Reason: "majority-lost"},
			"high availability: on → lost (majority-lost)"},
		{client.Event{Type: "something.new", Subject: "site"}, "something.new site"},
	} {
		if got := c.event.Sentence(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
