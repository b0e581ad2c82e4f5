package e2e

import (
	"path/filepath"
	"testing"
)

// The commands of README.md are run as they stand there, but for the ports, and
// print what the text around them promises.
func TestTheReadmesStoryHoldsWord(t *testing.T) {
	needs(t, "bash", "curl", "jq")
	promised := [][]string{
		{},
		{`"state": "on"`, `vc-1 is connected at cb-\d, epoch 1`, `vdi-1-001 on available=true`},
		{`"providers": \[`, `"reason": "broker-offline"`, `"longestOutage": "\d`, `"stoppable": true`},
		{`"epoch": 2`, `"state": "connected"`, `"ownerReason": "broker-offline"`, `provider.owner-changed providers/vc-1: Broker cb-\d is offline`},
		{`"broker": "cb-1",\s*"occupant": "cb-1"`},
		{`"broker": "cb-3"`, `"reason": "operator-move"`, `cb-[23] → cb-1: `, `"honored": true`},
		{`true`, `false`},
		{`"code": "would-turn-off-high-availability"`, `"effects": \[`, `"the demo"`, `"status": 412`},
	}
	home := t.TempDir()
	s := startDev(t, filepath.Join(home, "out", "dev"), 4, "--restart-after=2s")
	s.checkStory("README.md", home, promised)
}
