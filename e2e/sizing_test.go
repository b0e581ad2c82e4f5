package e2e

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/handlers"
	"github.com/quorate/quorate/store"
)

// rows are the cells of a table's rows that begin with what matches first.
func rows(text, first string) [][]string {
	var all [][]string
	for _, line := range regexp.MustCompile(`(?m)^\| (`+first+`) \|.*\|$`).FindAllString(text, -1) {
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(line, "| "), " | ") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		all = append(all, cells)
	}
	return all
}

func TestTheBoundsInTheSizingPageAreThoseThatAreComputed(t *testing.T) {
	found := rows(read(t, "../docs/sizing.md"), `\d+s`)
	if len(found) < 5 {
		t.Fatalf("%d rows", len(found))
	}
	for _, row := range found {
		var given [5]time.Duration
		for i, cell := range row {
			d, err := time.ParseDuration(cell)
			if err != nil {
				t.Fatal(err)
			}
			given[i] = d
		}
		want := farm.Timing{TTL: given[0], Election: given[1]}.Bounds()
		if given[2] != want.BrokerLost || given[3] != want.BrokerAndStorageLeader || given[4] != want.PlannedMove {
			t.Errorf("%v: want %+v", row, want)
		}
	}
}

func TestTheLimitsInTheSizingPageAreTheProgramsOwn(t *testing.T) {
	text := read(t, "../docs/sizing.md")
	for what, limit := range map[string]int{
		"brokers of a Site":                   farm.MaxBrokers,
		"events of a Site that are shown":     store.EventsInView,
		"machines of one Remote PCs Provider": 10_000,
	} {
		got := rows(text, what)
		if len(got) != 1 || strings.ReplaceAll(got[0][1], ",", "") != strconv.Itoa(limit) {
			t.Errorf("%s: %v, want %d", what, got, limit)
		}
	}
	if !strings.Contains(read(t, "../provider/remotepc/schema.go"), `"maxItems": 10000`) {
		t.Error("the limit of machines is another")
	}
	if got := rows(text, "body of a request"); handlers.DefaultConfig().MaxBody != 1<<20 || got[0][1] != "1 MiB" {
		t.Errorf("%v, want %d bytes", got, handlers.DefaultConfig().MaxBody)
	}
}
