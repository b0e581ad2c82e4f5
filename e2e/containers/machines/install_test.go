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

// The commands of docs/install.md and docs/operate.md are run as they stand there,
// but for the addresses where they are set. Then systemd must do for the units what
// it is there for.
func TestTheInstallationHolds(t *testing.T) {
	in := newInstallation(t, 5)
	const (
		everywhere = "On machines 4, 1, 2 and 3, and all that you have added"
		others     = "On machine 4, and all that you have added"
		members    = "On machines 1, 2 and 3"
	)
	in.follow("docs/install.md", []promise{
		{on: "Here"},
		{on: "Here"},
		{"Here", []string{`cb-4.crt`}},
		{on: "Here"},
		{"Here", []string{`(machine \d has its files\n){4}`}},
		{on: "On machines 1, 2, 3 and 4"},
		{on: members},
		{"On machine 1", []string{`is healthy`, `3\.7\.3`}},
		{"On machines 1, 2, 3 and 4", []string{`ok +settings`, `ok +etcd cluster +3 members`, `ok +stored +`, ` 0 to mend`}},
		{on: members},
		{on: "On machine 1"},
		{on: "On machine 4"},
		{"On machine 1", []string{`"state": "on"`, `cb-1 online active`, `cb-4 online standby`, `ok +broker hq/cb-4 `, `ok +secret key`, `ok +listen .* already`, `ok +etcd agreement`, ` 0 to mend`}},
		{"On machine 4", []string{`"mode": "automatic"`, `"state": "connected"`, `"total": 10`}},
		{on: "On machine 2"},
		{"On machine 4", []string{`"role": "activated"`, `"standsInFor": "cb-2"`, `"state": "on"`}},
		{on: "On machine 2"},
	})
	in.follow("docs/operate.md", []promise{
		{"On machine 1", []string{`"state": "on"`, ` 0 to mend`}},
		{"On machine 1", []string{`quorate_site_high_availability\{site="hq",state="on"\} 1`}},
		{on: "Here"},
		{"On machine 1", []string{`cb-4 (?:standby|activated)`, `coordinator: cb-\d`}},
		{everywhere, []string{`cb-\d is ready`}},
		{"On machine 1", []string{`true`, `false`}},

		// Add a broker, and remove it.
		{"Here", []string{`made .*cb-5.crt`, `machine 5 has its files`}},
		{"On machine 5", []string{` 0 to mend`}},
		{"On machine 1", []string{`cb-5 online standby`, `active\nstandby\n$`}},
		{on: "On machine 5"},
		{"On machine 1", []string{`(?:^|\n)(cb-[1234]\n){4}$`}},
		{on: "Here"},

		// etcd.
		{"On machine 1", []string{`false\ntrue\n`}},
		{"On machine 1", []string{`(?:Finished defragmenting etcd member.*\n){3}`}},
		{"On machine 1", []string{`compacted revision`}},
		{"On machine 1", []string{`Snapshot saved`}},
		{"Here", []string{`TOTAL KEYS`}},

		// Restore it: no epoch comes twice.
		{on: everywhere},
		{on: members},
		{on: "Here"},
		{members, []string{`restored snapshot`}},
		{on: members},
		{"On machine 1", []string{`1 epoch was raised by 1000000`}},
		{on: everywhere},
		{"On machine 1", []string{`(cb-\d online (?:active|idle|standby|activated)\n){4}`, `vc-1 is connected at cb-\d, epoch 10000\d\d\n`, ` 0 to mend`}},

		// Replace a member, by a machine that is empty and has another address.
		{"Here", []string{`made .*etcd-3.crt`}},
		{"On machine 1", []string{`removed from cluster`}},
		{"Here", []string{`added to cluster`, `machine 3 has its files`}},
		{on: "On machine 3"},
		{on: "Here"},
		{everywhere, []string{`cb-\d is ready`}},
		{"On machine 1", []string{`started, etcd-3, https://[0-9.]*\.13:2380`, ` 0 to mend`}},

		// Replace certificates.
		{"Here", []string{`made .*cb-1.crt`, `made .*etcd-1.crt`}},
		{"On machine 1", []string{`is healthy`, `cb-1 is ready`}},

		// Replace the authority.
		{"Here", []string{`made .*: the authority`, `made .*etcd-3.crt`, `made .*cb-4.crt`, `kept .*secret.key`, `kept .*root.token`}},
		{members, []string{`is healthy`, `is ready`}},
		{others, []string{`is ready`}},
		{on: "Here"},
		{members, []string{`is healthy`, `is ready`}},
		{others, []string{`is ready`}},
		{on: "Here"},
		{"On machine 1", []string{` 0 to mend`}},
		{members, []string{`is healthy`, `is ready`}},
		{others, []string{`is ready`}},
		{"On machine 1", []string{` 0 to mend`}},

		// Replace the secret key.
		{"Here", []string{`is added to`}},
		{everywhere, []string{`is ready`}},
		{"Here", []string{`is primary in`}},
		{everywhere, []string{`is ready`}},
		{"On machine 1", []string{`1 of 1 passwords were encrypted anew, the proof of the key too`}},
		{"Here", []string{`secret.key.retired-\d+: it opens`}},
		{"On machine 1", []string{`opens the one stored secret`, ` 0 to mend`}},
		{everywhere, []string{`is ready`}},
		{"On machine 1", []string{`vc-1 is connected at cb-\d`, `opens the one stored secret`, ` 0 to mend`}},
	})
	in.nothingLeft()
	in.givePCs()
	in.careful()
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
	here := in.workshop()
	for i, want := range promised {
		if got, _, _ := strings.Cut(strings.TrimPrefix(blocks[i], "# "), "\n"); got != want.on {
			t.Fatalf("%s: block %d is for %q, this test knows %q", file, i+1, got, want.on)
		}
		for _, said := range in.perform(here, want.on, in.addressed(blocks[i])) {
			for _, w := range want.wants {
				if !regexp.MustCompile(w).MatchString(said) {
					t.Errorf("%s: the commands\n%s\nprinted no %s:\n%s", want.on, blocks[i], w, said)
				}
			}
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%s: %d blocks of commands in %v", file, len(blocks), time.Since(begin).Round(time.Second))
}

// perform runs a block where it belongs, and returns what each place said.
func (in *installation) perform(here *workshop, on, block string) []string {
	in.t.Helper()
	if on == "Here" {
		said := here.run(block)
		in.moved()
		return []string{said}
	}
	var all []string
	for _, m := range in.places(on) {
		all = append(all, m.run(block))
	}
	return all
}

// addressed puts this installation's addresses in place of the documents'. They
// may be nowhere but where they are set.
func (in *installation) addressed(block string) string {
	in.t.Helper()
	set := regexp.MustCompile(`(IP\[\d\]=)10\.0\.0\.`)
	block = set.ReplaceAllString(block, "${1}"+network)
	if strings.Contains(block, "10.0.0.") {
		in.t.Fatalf("an address is not where addresses are set:\n%s", block)
	}
	return block
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
	var all []*machine
	for _, n := range regexp.MustCompile(`\d`).FindAllString(on, -1) {
		i, _ := strconv.Atoi(n)
		all = append(all, in.on(i))
	}
	return all
}
