package doctor

import (
	"fmt"

	"github.com/quorate/quorate/store/etcd"
)

// judgeAlarm says what an alarm of etcd means and how to end it.
func judgeAlarm(a etcd.Alarm, member, ctl string) Finding {
	what := "etcd alarm " + a.Name
	switch a.Name {
	case "NOSPACE":
		return failed(what, fmt.Sprintf("%s has reached its limit: etcd takes no writes, and no broker can come online.", member),
			fmt.Sprintf("REVISION=$(%s endpoint status --write-out=json | jq -r '[.[].Status.header.revision] | max')\n"+
				"%s compact $REVISION\n%s defrag\n%s alarm disarm\n"+
				"Then give etcd --auto-compaction-mode=periodic --auto-compaction-retention=10m, or more room with --quota-backend-bytes.", ctl, ctl, ctl, ctl))
	case "CORRUPT":
		return failed(what, member+" does not hold the same data as the others.",
			fmt.Sprintf("Find the member that differs: %s endpoint hashkv --cluster --write-out=table\n"+
				"Replace it as docs/operate.md says (Replace a member of etcd), then: %s alarm disarm", ctl, ctl))
	}
	return failed(what, member+" has raised it.", "See etcd's documentation for it, then: "+ctl+" alarm disarm")
}
