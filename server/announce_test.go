package server

import (
	"bytes"
	"strings"
	"testing"
)

// The sentence is for a person who starts a broker; programs have it in the log.
func TestTheTakeoverTimeIsToldOnlyToWhoStartsABroker(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		told   bool
	}{
		{func(c *Config) { c.Site, c.Broker = "hq", "cb-1" }, true},
		{func(c *Config) { c.Site, c.Broker, c.LogFormat = "hq", "cb-1", "json" }, false},
		{func(*Config) {}, false},
	} {
		cfg := DefaultConfig()
		c.change(&cfg)
		cfg.Advertise = "https://cb-1.example"
		var out, log bytes.Buffer
		announce(newLogger(cfg, &log), cfg, listening("8080"), Process{Stdout: &out})
		if told := strings.Contains(out.String(), "are taken over within"); told != c.told || !strings.Contains(log.String(), "takeover bounds") {
			t.Errorf("%+v: %q\n%s", cfg, out.String(), log.String())
		}
		if !strings.Contains(log.String(), "this server speaks plain HTTP") {
			t.Errorf("nobody warns:\n%s", log.String())
		}
	}
}

func TestOneEpochIsOne(t *testing.T) {
	if epochs(1) != "1 epoch was" || epochs(0) != "0 epochs were" {
		t.Error(epochs(1), epochs(0))
	}
}
