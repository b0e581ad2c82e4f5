// Package machines follows docs/install.md and docs/operate.md on machines:
// containers whose first process is systemd.
package machines

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The commands of docs/install.md and docs/operate.md are run as they stand there.
// Then systemd must do for the units what it is there for.
func TestTheInstallationHolds(t *testing.T) {
	in := newInstallation(t, 5)
	in.follow("docs/install.md", []promise{
		{"Here", nil},
		{"Here", []string{`cb-4.crt`}},
		{"Here", nil},
		{"On machines 1, 2, 3 and 4", nil},
		{"On machines 1, 2 and 3", nil},
		{"On machines 1, 2 and 3", nil},
		{"On machine 1", []string{`is healthy`, `3\.7\.3`}},
		{"On machines 1, 2, 3 and 4", []string{`ok +settings`, `ok +etcd cluster +3 members`, `ok +stored +`, ` 0 to mend`}},
		{"On machines 1, 2 and 3", nil},
		{"On machine 4", []string{`"state": "on"`, `cb-1 online active`, `cb-4 online standby`}},
		{"On machine 1", []string{`ok +broker hq/cb-4 `, `ok +secret key`, `ok +listen .* already`, `ok +etcd agreement`, ` 0 to mend`}},
		{"On machine 4", nil},
		{"On machine 1", []string{`"mode": "automatic"`, `"state": "connected"`, `"total": 10`}},
		{"On machine 2", nil},
		{"On machine 4", []string{`"role": "activated"`, `"standsInFor": "cb-2"`, `"state": "on"`}},
		{"On machine 2", nil},
	})
	in.follow("docs/operate.md", []promise{
		{"On machines 1, 2, 3 and 4", nil},
		{"On machine 1", []string{`"state": "on"`, ` 0 to mend`}},
		{"On machine 1", []string{`quorate_site_high_availability\{site="hq",state="on"\} 1`}},
		{"On machines 1, 2, 3 and 4", nil},
		{"On machine 1", []string{`true`, `false`}},

		// Add a broker, and remove it.
		{"Here", []string{`made .*cb-5.crt`}},
		{"On machine 5", nil},
		{"On machine 5", []string{` 0 to mend`}},
		{"On machine 1", []string{`cb-5 online standby`}},
		{"On machine 5", nil},
		{"On machine 1", []string{`(?:^|\n)(cb-[1234]\n){4}$`}},

		// etcd.
		{"On machine 1", []string{`Finished defragmenting etcd member`}},
		{"On machine 1", []string{`compacted revision`}},
		{"On machine 1", []string{`Snapshot saved`}},

		// Restore it: no epoch comes twice.
		{"On machines 1, 2, 3 and 4", nil},
		{"On machines 1, 2 and 3", nil},
		{"Here", nil},
		{"On machines 1, 2 and 3", []string{`restored snapshot`}},
		{"On machines 1, 2 and 3", nil},
		{"On machine 1", []string{`1 epoch was raised by 1000000`}},
		{"On machines 1, 2, 3 and 4", nil},
		{"On machine 1", []string{`(cb-\d online active\n){3}cb-4 online standby`, `vc-1 is connected at cb-\d, epoch 10000\d\d\n`, ` 0 to mend`}},

		// Replace a member.
		{"On machine 3", nil},
		{"On machine 1", []string{`removed from cluster`, `added to cluster`}},
		{"On machine 3", nil},
		{"On machine 1", []string{`started, etcd-3`}},

		// Replace certificates.
		{"Here", []string{`made .*cb-1.crt`}},
		{"On machine 1", nil},

		// Replace the authority.
		{"Here", []string{`made .*: the authority`, `made .*etcd-3.crt`, `made .*cb-4.crt`, `kept .*secret.key`, `kept .*root.token`}},
		{"On machines 1, 2 and 3", []string{`is healthy`}},
		{"On machines 1, 2, 3 and 4", nil},
		{"Here", nil},
		{"On machines 1, 2 and 3", []string{`is healthy`}},
		{"On machines 1, 2, 3 and 4", nil},
		{"Here", nil},
		{"On machine 1", []string{` 0 to mend`}},
		{"On machines 1, 2 and 3", []string{`is healthy`}},
		{"On machines 1, 2, 3 and 4", nil},
		{"On machine 1", []string{` 0 to mend`}},

		// Replace the secret key.
		{"Here", []string{`is added to`}},
		{"On machines 1, 2, 3 and 4", nil},
		{"Here", []string{`is primary in`}},
		{"On machines 1, 2, 3 and 4", nil},
		{"On machine 1", []string{`1 of 1 passwords were encrypted anew, the proof of the key too`}},
		{"Here", []string{`secret.key.retired-\d+: it opens`}},
		{"On machine 1", []string{`opens the one stored secret`, ` 0 to mend`}},
		{"On machines 1, 2, 3 and 4", nil},
		{"On machine 1", []string{`vc-1 is connected at cb-\d`, `opens the one stored secret`, ` 0 to mend`}},
	})
	in.givePCs()
	in.confined()
	in.killed()
	in.stopped()
	in.rebooted()
	in.powerLost()
}

// promise is where a block of commands is run, and what it prints.
type promise struct {
	on    string
	wants []string
}

// follow runs all commands of a document.
func (in *installation) follow(file string, promised []promise) {
	t := in.t
	t.Helper()
	blocks := commandsOf(t, file)
	begin := time.Now()
	if len(blocks) != len(promised) {
		t.Fatalf("%s has %d blocks of commands, this test knows %d", file, len(blocks), len(promised))
	}
	for i, want := range promised {
		if got, _, _ := strings.Cut(strings.TrimPrefix(blocks[i], "# "), "\n"); got != want.on {
			t.Fatalf("%s: block %d is for %q, this test knows %q", file, i+1, got, want.on)
		}
		if want.on == "Here" {
			in.fetchSnapshot()
		}
		for _, m := range in.places(want.on) {
			out := m.run(blocks[i])
			for _, w := range want.wants {
				if !regexp.MustCompile(w).MatchString(out) {
					t.Errorf("%s: the commands\n%s\nprinted no %s:\n%s", want.on, blocks[i], w, out)
				}
			}
		}
		if t.Failed() {
			t.FailNow()
		}
		if want.on == "Here" {
			in.copyFolders()
		}
	}
	t.Logf("%s: %d blocks of commands in %v", file, len(blocks), time.Since(begin).Round(time.Second))
}

// commandsOf returns the blocks of commands in a document, as they stand there.
func commandsOf(t *testing.T, document string) []string {
	t.Helper()
	text, err := os.ReadFile("../../../" + document)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// places are the machines that a block is to be run on.
func (in *installation) places(on string) []*machine {
	if on == "Here" {
		return []*machine{in.here}
	}
	var all []*machine
	for _, n := range regexp.MustCompile(`\d`).FindAllString(on, -1) {
		i, _ := strconv.Atoi(n)
		all = append(all, in.on(i))
	}
	return all
}
