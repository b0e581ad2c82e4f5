package e2e

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The commands of README.md are run as they stand there, but for the ports, and
// print what the text around them promises.
func TestTheReadmesStoryHoldsWord(t *testing.T) {
	needs(t, "bash", "curl", "jq")
	blocks := commandsOf(t, "README.md")
	promised := [][]string{
		{},
		{`"state": "on"`, `vc-1 is connected at cb-\d, epoch 1`, `vdi-1-001 on available=true`},
		{`"providers": \[`, `"reason": "broker-offline"`, `"longestOutage": "\d`, `"stoppable": true`},
		{`"epoch": 2`, `"state": "connected"`, `"ownerReason": "broker-offline"`, `provider.owner-changed providers/vc-1: Broker cb-\d is offline`},
		{`"broker": "cb-1",\s*"occupant": "cb-1"`},
		{`"broker": "cb-3"`, `"reason": "operator-move"`, `"honored": true`},
		{`true`, `false`},
		{`"code": "would-turn-off-high-availability"`, `"effects": \[`, `"the demo"`, `"status": 412`},
	}
	if len(blocks) != len(promised) {
		t.Fatalf("README.md has %d blocks of commands, this test knows %d", len(blocks), len(promised))
	}

	home := t.TempDir()
	s := startDev(t, filepath.Join(home, "out", "dev"), 4, "--restart-after=2s")
	lastPort := regexp.MustCompile(`:(\d+)$`).FindStringSubmatch(s.facts().Brokers[3].URL)[1]
	script := "set -euo pipefail\n"
	for i, b := range blocks {
		script += "echo '=== " + strconv.Itoa(i) + "'\n" + strings.ReplaceAll(b, "8083", lastPort)
	}
	shell := exec.CommandContext(within(t, 3*patience), "bash", "-c", script)
	shell.Dir = home
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	printed := regexp.MustCompile(`(?m)^=== \d+\n`).Split(string(out), -1)[1:]
	for i, wants := range promised {
		for _, want := range wants {
			if !regexp.MustCompile(want).MatchString(printed[i]) {
				t.Errorf("the commands\n%s\nprinted no %s:\n%s", blocks[i], want, printed[i])
			}
		}
	}
}
