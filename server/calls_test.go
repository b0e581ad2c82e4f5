package server

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quorate/quorate/broker"
	"github.com/quorate/quorate/farm"
)

// Two lives of a broker write into one file, one after the other.
func TestCallsAreRecordedAsTheyAreAllowed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "calls")
	for life := range 2 {
		calls, err := openCallLog(file, "hq", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		me := farm.Life{Broker: "cb-1", Incarnation: farm.Incarnation(life + 1)}
		calls.Allowed(broker.Call{Life: me, Provider: "vc-1", Epoch: 7, At: calls.Now()})
		if err := calls.file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 2 {
		t.Fatalf("%s", text)
	}
	var first, second Call
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(lines[1]), &second); err != nil {
		t.Fatal(err)
	}
	if second.At <= first.At {
		t.Errorf("time does not pass: %d, %d", first.At, second.At)
	}
	first.At = 0
	if want := (Call{Site: "hq", Broker: "cb-1", Incarnation: 1, Provider: "vc-1", Epoch: 7}); first != want {
		t.Errorf("%+v", first)
	}
}
