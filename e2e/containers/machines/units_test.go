package machines

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// givePCs gives the Site something to own: PCs, which machine 4 plays.
func (in *installation) givePCs() {
	in.t.Helper()
	in.on(4).run(`. /etc/quorate/admin.sh
ADDRESS=${QUORATE_LISTEN%:*}
systemd-run --quiet --unit=pcs quorate simulator pcs
for N in 1 2 3 4 5 6; do
    ask -f $SITE/providers -d '{"id":"pool-'$N'","type":"remotepc","options":{"machines":[{"id":"pc-'$N'","address":"'$ADDRESS':3389"}]}}' >/dev/null
done`)
	in.whole()
}

// careful holds that nothing is restarted that cannot be spared, and that it is
// said why.
func (in *installation) careful() {
	in.t.Helper()
	in.on(2).run("systemctl stop etcd quorate")
	in.on(3).run("systemctl stop quorate")
	in.on(1).await(`. /etc/quorate/admin.sh; ask $SITE | jq -e '.status.brokers.online == 2'`)
	for _, restart := range []string{"restart_member", "restart_server"} {
		before := in.incarnation("cb-1")
		said, err := in.on(1).try(". /etc/quorate/admin.sh; PATIENCE=2 " + restart)
		if err == nil {
			in.t.Errorf("%s restarts what cannot be spared:\n%s", restart, said)
		}
		in.says(said, "^waiting for .*: .+\ngiven up waiting for .*\n$")
		in.t.Logf("%s says\n%s", restart, said)
		if in.incarnation("cb-1") != before {
			in.t.Errorf("%s has restarted cb-1", restart)
		}
	}
	in.on(2).run("systemctl start etcd quorate")
	in.on(3).run("systemctl start quorate")
	in.whole()
}

// whole waits until every server and every member is there, and every Provider is
// connected. Where is not asked: who has been restarted so often is held back.
func (in *installation) whole() {
	in.t.Helper()
	in.on(1).await(`. /etc/quorate/admin.sh; etcdctl endpoint health`)
	in.on(4).await(`. /etc/quorate/admin.sh
ask $SITE | jq -e '.status | .highAvailability.state == "on" and .brokers.online == 4'
SSL_CERT_FILE=$QUORATE_ETCD_CA quorate await --site $QUORATE_SITE --token-file $QUORATE_ROOT_TOKEN_FILE $QUORATE_ADVERTISE`)
}

// confined looks at what the services may do, from outside and from inside.
func (in *installation) confined() {
	in.t.Helper()
	for _, unit := range []string{"quorate", "etcd"} {
		said := in.on(1).run(strings.ReplaceAll(`PID=$(systemctl show --property MainPID --value UNIT)
grep '^Cap\|^NoNewPrivs\|^Seccomp:' /proc/$PID/status
echo "User: $(stat -c %U /proc/$PID)"
for NS in mnt ipc user uts; do
    [ $(readlink /proc/$PID/ns/$NS) != $(readlink /proc/1/ns/$NS) ] && echo "its own $NS"
done
for DIR in /etc/UNIT /usr/local/bin /var/lib; do
    nsenter --target $PID --mount touch $DIR/written 2>&1 || true
done`, "UNIT", unit))
		in.says(said, `CapEff:\s+0+\n`, `CapBnd:\s+0+\n`, `NoNewPrivs:\s+1`, `Seccomp:\s+2`, `User: `+unit,
			"its own mnt", "its own ipc", "its own user", "its own uts", `(?s)(Read-only file system.*){3}`)
	}
}

// killed kills a broker and a member; systemd starts them again.
func (in *installation) killed() {
	in.t.Helper()
	before := in.incarnation("cb-2")
	for _, unit := range []string{"quorate", "etcd"} {
		begin := time.Now()
		in.on(2).run("kill -9 $(systemctl show --property MainPID --value " + unit + ")")
		in.on(2).await(`[ "$(systemctl show --property NRestarts,ActiveState --value ` + unit + ` | sort | xargs)" = "1 active" ]`)
		in.t.Logf("%s is killed: started again after %v", unit, time.Since(begin).Round(time.Millisecond))
	}
	in.returns("cb-2", before)
}

// stopped stops a broker and a member: they end by themselves, and what the
// broker owned is elsewhere by then.
func (in *installation) stopped() {
	in.t.Helper()
	owners := `. /etc/quorate/admin.sh; ask $SITE/providers | jq -r '.items[].status.owner'`
	owner, _, _ := strings.Cut(in.on(1).run(owners), "\n")
	victim, witness := in.places(owner)[0], in.on(1)
	if victim.name == witness.name {
		witness = in.on(2)
	}
	begin := time.Now()
	victim.run("systemctl stop quorate")
	in.t.Logf("systemctl stop quorate took %v", time.Since(begin).Round(time.Millisecond))
	if now := witness.run(owners); strings.Contains(now, owner) {
		in.t.Errorf("%s has stopped and owns still:\n%s", owner, now)
	}
	in.says(victim.run("systemctl show quorate; journalctl -o cat -u quorate"),
		"(?m)^ActiveState=inactive$", "(?m)^Result=success$", "(?m)^ExecMainCode=1$", "(?m)^ExecMainStatus=0$", "Deactivated successfully")
	victim.run("systemctl start quorate")
	in.on(2).run("systemctl stop etcd")
	in.says(in.on(2).run("systemctl show etcd"), "(?m)^ActiveState=inactive$", "(?m)^Result=success$")
	in.on(2).run("systemctl start etcd")
	in.whole()
}

// rebooted restarts a machine as its operator does.
func (in *installation) rebooted() {
	in.t.Helper()
	before, started := in.incarnation("cb-3"), in.started(3)
	begin := time.Now()
	_, _ = in.on(3).try("systemctl reboot") // which may end the shell, too
	in.eventually("machine 3 starts again", func() bool { return in.started(3) != started })
	in.returns("cb-3", before)
	in.on(3).booted()
	in.t.Logf("machine 3 is rebooted: all is well after %v", time.Since(begin).Round(time.Millisecond))
}

// powerLost takes the three machines of etcd away at once, without a word.
func (in *installation) powerLost() {
	in.t.Helper()
	before := in.incarnation("cb-1")
	all := []string{in.on(1).name, in.on(2).name, in.on(3).name}
	begin := time.Now()
	in.mustEngine(append([]string{"kill"}, all...)...)
	in.on(4).await(`. /etc/quorate/admin.sh; ! curl -sSf --max-time 5 --cacert $QUORATE_ETCD_CA $QUORATE_ADVERTISE/readyz`)
	in.mustEngine(append([]string{"start"}, all...)...)
	in.returns("cb-1", before)
	in.t.Logf("three machines lost power: all is well after %v", time.Since(begin).Round(time.Millisecond))
}

// incarnation is a broker's; one that has been started again has a later one.
func (in *installation) incarnation(broker string) string {
	in.t.Helper()
	return strings.TrimSpace(in.on(4).run(fmt.Sprintf(`. /etc/quorate/admin.sh; ask $SITE/brokers/%s | jq .status.incarnation`, broker)))
}

// returns waits until a broker is back, and all is well.
func (in *installation) returns(broker, before string) {
	in.t.Helper()
	in.on(4).await(fmt.Sprintf(`. /etc/quorate/admin.sh
ask $SITE/brokers/%s | jq -e '.status.state == "online" and .status.incarnation > %s'`, broker, before))
	in.whole()
}

func (in *installation) started(n int) string {
	in.t.Helper()
	return in.mustEngine("inspect", "--format", "{{.State.StartedAt}}", in.on(n).name)
}

func (in *installation) says(said string, wants ...string) {
	in.t.Helper()
	for _, want := range wants {
		if !regexp.MustCompile(want).MatchString(said) {
			in.t.Errorf("there is no %s in:\n%s", want, said)
		}
	}
}
