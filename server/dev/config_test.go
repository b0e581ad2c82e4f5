package dev

import (
	"github.com/quorate/quorate/server/guard"

	"strings"
	"testing"
	"time"
)

func TestTheDefaultsAreValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	err := Config{Brokers: 0, Port: 70000, Providers: -1, Hosts: -1, HoldDown: -1}.Validate()
	if err == nil {
		t.Fatal("it was accepted")
	}
	for _, setting := range []string{"--brokers", "--port", "--providers", "--hosts", "--lease-ttl", "--hold-down"} {
		if !strings.Contains(err.Error(), setting) {
			t.Errorf("%s is not mentioned in:\n%v", setting, err)
		}
	}
}

func TestRestartAfterIsADurationOrNever(t *testing.T) {
	for text, want := range map[string]guard.RestartAfter{"never": guard.Never, "0s": 0, "30s": guard.RestartAfter(30 * time.Second)} {
		var r guard.RestartAfter
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want || r.String() != text {
			t.Errorf("%s: %v, %v", text, r, err)
		}
	}
	for _, text := range []string{"", "soon", "-1s"} {
		if err := new(guard.RestartAfter).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
