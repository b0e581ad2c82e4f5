package doctor

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
)

// expect compares a finding's level and a part of what it says or advises.
func expect(t *testing.T, got Finding, level Level, says string) {
	t.Helper()
	if got.Level != level || !strings.Contains(got.Finding+"\n"+got.Do, says) {
		t.Errorf("got %+v, want %s with %q", got, level, says)
	}
	if (got.Level == OK || got.Level == "") != (got.Do == "") {
		t.Errorf("what is not ok says what to do, and nothing else does: %+v", got)
	}
}

func TestWhichEtcdMayBeUsed(t *testing.T) {
	for version, want := range map[string]Level{
		"3.4.37": Fail, "2.3.8": Fail,
		"3.5.32": Fail, "3.5.33": OK, "3.5.40": OK,
		"3.6.13": Fail, "3.6.14": OK,
		"3.7.0": Fail, "3.7.1": OK, "3.7.1-rc.0": Fail, "3.7.2-rc.0": OK, "3.7.3": OK,
		"3.8.0": OK, "4.0.0": OK,
		"main": Warn, "3.6": Warn, "": Warn,
	} {
		expect(t, judgeVersion("etcd", version), want, "")
	}
	expect(t, judgeVersion("etcd", "3.6.13"), Fail, "by 3.6.14 or later")
}

func TestHowFullADatabaseMayBe(t *testing.T) {
	const quota = 100 << 20
	for _, c := range []struct {
		size, inUse, quota int64
		want               Level
		says               string
	}{
		{69 << 20, 1, quota, OK, "69 % of its limit of 100 MiB"},
		{70 << 20, 20 << 20, quota, Warn, "20 MiB of it are in use"},
		{89 << 20, 80 << 20, quota, Warn, "--auto-compaction-mode"},
		{90 << 20, 80 << 20, quota, Fail, "CTL defrag"},
		{1900 << 20, 1900 << 20, 0, Fail, "unless etcd was given another"},
	} {
		expect(t, judgeSize("etcd", c.size, c.inUse, c.quota, "CTL"), c.want, c.says)
	}
}

func TestAnAlarmIsEndedByTheCommandsItNames(t *testing.T) {
	for _, says := range []string{"etcd-1 has reached", "compact $REVISION\n", "CTL defrag\n", "CTL alarm disarm"} {
		expect(t, judgeAlarm(etcd.Alarm{Name: "NOSPACE"}, "etcd-1", "CTL"), Fail, says)
	}
	expect(t, judgeAlarm(etcd.Alarm{Name: "CORRUPT"}, "etcd-1", "CTL"), Fail, "endpoint hashkv")
	expect(t, judgeAlarm(etcd.Alarm{Name: "NEW"}, "etcd-1", "CTL"), Fail, "alarm disarm")
}

func cluster(n int) (members []etcd.ClusterMember, answers []etcd.Answer) {
	for i := range n {
		id := uint64(i + 1)
		members = append(members, etcd.ClusterMember{ID: id, Name: fmt.Sprintf("etcd-%d", id)})
		answers = append(answers, etcd.Answer{Endpoint: fmt.Sprintf("http://%d", id), ID: id, Cluster: 7, Leader: 1, Applied: 5000})
	}
	return members, answers
}

func TestWhatAClusterOfSomeSizeBears(t *testing.T) {
	for n, want := range map[int]Level{0: Warn, 1: Warn, 2: Warn, 3: OK, 4: Warn, 5: OK} {
		members, _ := cluster(n)
		expect(t, judgeMembers(members, nil), want, "")
	}
	members, _ := cluster(3)
	members[2].Learner = true
	expect(t, judgeMembers(members, nil), Warn, "no better than one member fewer")
}

func TestEveryMemberIsToBeNamed(t *testing.T) {
	members, answers := cluster(3)
	expect(t, judgeEndpoints(members, answers), OK, "all 3")
	expect(t, judgeEndpoints(members, answers[:2]), Warn, "etcd-3")
	down := append(answers[:2:2], etcd.Answer{Endpoint: "http://3", Err: errors.New("refused")})
	expect(t, judgeEndpoints(members, down), OK, "all 3")
	expect(t, judgeEndpoints(members, []etcd.Answer{answers[0], answers[0], answers[0]}), Warn, "etcd-2")
}

func TestMembersAreToAgree(t *testing.T) {
	_, answers := cluster(3)
	expect(t, judgeAgreement(answers), OK, "one leader")
	answers[1].Leader = 2
	expect(t, judgeAgreement(answers), Warn, "different leaders")
	answers[1].Leader = 0
	expect(t, judgeAgreement(answers), Fail, "No leader is known to http://2")
	answers[2].Cluster = 8
	expect(t, judgeAgreement(answers), Fail, "7 at http://1, http://2; 8 at http://3")
}

func TestAMemberThatFallsBehindIsNamed(t *testing.T) {
	_, answers := cluster(3)
	answers[1].Applied -= tolerable
	expect(t, judgeLag(answers), OK, "1000 entries")
	answers[1].Applied--
	expect(t, judgeLag(answers), Warn, "http://2 is 1001 entries behind")
}

func TestWhatAMemberSaysOfItself(t *testing.T) {
	_, answers := cluster(2)
	expect(t, judgeMember("etcd", answers[0]), OK, "leads")
	expect(t, judgeMember("etcd", answers[1]), OK, "answers")
	answers[1].Learner = true
	expect(t, judgeMember("etcd", answers[1]), Warn, "no vote")
	answers[1].Errors = []string{"etcdserver: no space"}
	expect(t, judgeMember("etcd", answers[1]), Fail, "no space")
}

func TestLatencyIsJudgedByTheLease(t *testing.T) {
	for _, c := range []struct {
		took, ttl time.Duration
		err       error
		want      Level
		says      string
	}{
		{150 * time.Millisecond, 3 * time.Second, nil, OK, "150ms"},
		{151 * time.Millisecond, 3 * time.Second, nil, Warn, "much for a lease of 3s"},
		{151 * time.Millisecond, 10 * time.Second, nil, OK, ""},
		{751 * time.Millisecond, 3 * time.Second, nil, Fail, "too late"},
		{time.Millisecond, 3 * time.Second, rpctypes.ErrNoSpace, Fail, "it is full"},
		{time.Millisecond, 3 * time.Second, errors.New("gone"), Fail, "answer: gone."},
	} {
		expect(t, judgeLatency("etcd write", c.took, c.err, c.ttl), c.want, c.says)
	}
}

func TestTheLeaseIsToBeWhatWasAskedFor(t *testing.T) {
	s := func(n int) time.Duration { return time.Duration(n) * time.Second }
	for _, c := range []struct {
		asked, granted, promised time.Duration
		want                     Level
		says                     string
	}{
		{s(3), s(3), s(3), OK, "within 4s; within 10s"},
		{s(1), s(2), s(2), Warn, "--lease-ttl=2s"},
		{s(1), s(8), s(2), Warn, "etcd grants 8s"},
		{s(1), s(1), s(2), OK, ""},
	} {
		promised := farm.Timing{TTL: c.promised, Margin: 300 * time.Millisecond, Election: time.Second}
		expect(t, judgeLease(c.asked, c.granted, promised), c.want, c.says)
	}
}

func TestTheElectionTimeoutIsToldByTheShortestLease(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		says, floor time.Duration
		want        Level
		words       string
	}{
		{1000 * ms, 2 * time.Second, OK, "fits --etcd-election=1s"},
		{500 * ms, time.Second, OK, ""},
		{5 * time.Second, 8 * time.Second, OK, ""},
		{1350 * ms, 2 * time.Second, OK, ""}, // with heartbeats of 150 ms
		{1350 * ms, 3 * time.Second, OK, ""}, // with heartbeats of 50 ms
		{1000 * ms, 8 * time.Second, Warn, "more than 4.667s, and --etcd-election says 1s: a takeover with the loss of etcd's leader can take longer"},
		{500 * ms, 2 * time.Second, Warn, "more than 667ms"},
		{1000 * ms, time.Second, Warn, "at most 857ms, and --etcd-election says 1s: takeovers are quicker"},
		{5 * time.Second, 2 * time.Second, Warn, "quicker"},
	} {
		expect(t, judgeElection(c.says, c.floor), c.want, c.words)
	}
}

func TestAnotherMachinesClockIsJudgedAsFarAsItCanBeKnown(t *testing.T) {
	asked := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		ahead, trip time.Duration // in whole seconds, as the header is
		want        Level
		says        string
	}{
		{0, 0, OK, ""},
		{-time.Second, 0, OK, ""},
		{time.Second, 0, OK, ""}, // it may be 1 s, or anything up to 2
		{2 * time.Second, 0, Warn, "2.5s ahead of"},
		{2 * time.Second, 4 * time.Second, OK, ""}, // the answer took long
		{-3 * time.Second, 0, Warn, "2.5s behind"},
		{30 * time.Second, 0, Warn, "never affects safety"},
		{31 * time.Second, 0, Fail, "NTP"},
		{-time.Hour, 0, Fail, "behind"},
	} {
		r := reply{date: asked.Add(c.ahead), asked: asked, came: asked.Add(c.trip)}
		expect(t, judgeClock("clock", r), c.want, c.says)
	}
	expect(t, judgeClock("clock", reply{asked: asked, came: asked}), "", "")
}

func TestWhereAProviderIs(t *testing.T) {
	const hint = "https://vcenter.example.com/sdk"
	for _, c := range []struct {
		address, hint, want string
		secure, ok          bool
	}{
		{"https://vc-1.example/sdk", hint, "vc-1.example:443", true, true},
		{"https://vc-1.example:8443/sdk", hint, "vc-1.example:8443", true, true},
		{"vc-1.example", hint, "vc-1.example:443", true, true},
		{"vc-1.example:8443", hint, "vc-1.example:8443", true, true},
		{"http://[fd00::1]/", "", "[fd00::1]:80", false, true},
		{"kvm-1.example:16509", "", "kvm-1.example:16509", false, true},
		{"qemu+tcp://kvm-1:16509/system", "", "kvm-1:16509", false, true},
		{"qemu+tls://kvm-1/system", "", "", false, false},
		{"kvm-1.example", "", "", false, false},
	} {
		got, secure, ok := whereabouts(c.address, c.hint)
		if ok != c.ok || ok && (got != c.want || secure != c.secure) {
			t.Errorf("%s: %s, %v, %v", c.address, got, secure, ok)
		}
	}
}

func TestServersAreToRunTheSameVersion(t *testing.T) {
	peers := []peer{{name: "hq/cb-1", online: true, version: "1"}, {name: "hq/cb-2", online: true, version: "1"}, {name: "hq/cb-3"}}
	expect(t, judgeVersions(peers, "1"), OK, "run 1")
	expect(t, judgeVersions(peers, "2"), Warn, "this program is 2")
	peers[1].version = "2"
	expect(t, judgeVersions(peers, "2"), Warn, "1 at hq/cb-1; 2 at hq/cb-2")
	expect(t, judgeVersions(nil, "2"), "", "")
}

func TestALoopbackAddressIsNoAddressForOtherMachines(t *testing.T) {
	v := &visit{}
	v.Advertise, v.Etcd = "http://127.0.0.1:8080", []string{"http://127.0.0.1:2379"}
	peers := []peer{{name: "hq/cb-1", address: "http://127.0.0.1:8080"}, {name: "hq/cb-2", address: "http://localhost:8081"}}
	if got := v.reach(peers); len(got) != 0 {
		t.Errorf("all on one machine: %+v", got)
	}
	v.Etcd = []string{"http://10.0.0.1:2379"}
	got := v.reach(peers)
	if len(got) != 2 {
		t.Fatalf("etcd is elsewhere: %+v", got)
	}
	expect(t, got[1], Warn, "localhost:8081")
}

func TestWhatIsStoredMayBeTooNew(t *testing.T) {
	expect(t, judgeFormat(0), OK, "Nothing yet")
	expect(t, judgeFormat(etcd.FormatDamaged), Fail, "damaged")
	expect(t, judgeFormat(etcd.FormatKnown), OK, "Format 1")
	expect(t, judgeFormat(etcd.FormatKnown+1), Fail, "reads up to 1")
}

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	const prefix = "/quorate/"
	says := func(key, do string) {
		t.Helper()
		got := judgeWhole(prefix, &store.View{Unreadable: []string{prefix + key}})
		if len(got) != 1 {
			t.Fatalf("%+v", got)
		}
		expect(t, got[0], Fail, prefix+key)
		expect(t, got[0], Fail, do)
	}
	if len(judgeWhole(prefix, &store.View{})) != 0 {
		t.Error("all can be read")
	}
	says("providers/hq/vc-1", "configure anew")
	says("owners/hq/vc-1", "quorate raise-epochs")
	says("epochs", "quorate raise-epochs")
	says("coordinator/hq", "do not put it back")
	says("seats/owners", "makes it anew")
	says("status/hq/vc-1", "nothing rests on it")
}

func TestASiteWithoutACoordinatorIsNamed(t *testing.T) {
	p := &farm.Picture{}
	expect(t, judgeCoordinator("/quorate/", "hq", p), "", "")
	p.Presence = map[farm.BrokerID]farm.Presence{"cb-1": {Broker: "cb-1"}}
	expect(t, judgeCoordinator("/quorate/", "hq", p), Fail, "etcdctl del /quorate/coordinator/hq")
	p.Coordinator = farm.Coordinator{Broker: "cb-1", Term: 3}
	expect(t, judgeCoordinator("/quorate/", "hq", p), "", "")
}

func TestEverySecretThatDoesNotOpenIsNamed(t *testing.T) {
	tried := []etcd.Tried{
		{Key: "k1", Site: "hq", Provider: "vc-1", Opened: true},
		{Key: "k2", Site: "hq", Provider: "vc-2"},
		{Key: "k3", Site: "b1", Provider: "vc-3"},
		{Key: "k4", Site: "b1", Provider: "vc-4", Damaged: true},
		{Key: "k5", Site: "b1", Provider: "gone"},
	}
	got := judgeSecrets(true, tried, func(s etcd.Tried) bool { return s.Provider != "gone" })
	if len(got) != 3 {
		t.Fatalf("%+v", got)
	}
	expect(t, got[0], Fail, "hq/vc-2, b1/vc-3")
	expect(t, got[1], Fail, "b1/vc-4")
	expect(t, got[2], Warn, "etcdctl del k5")
	got = judgeSecrets(true, tried[:1], func(etcd.Tried) bool { return true })
	expect(t, got[0], OK, "the one stored secret")
}

func TestWhatThisMachineAllows(t *testing.T) {
	expect(t, judgeLimit(1024, true), Warn, "LimitNOFILE")
	expect(t, judgeLimit(4096, true), OK, "4096")
	expect(t, judgeLimit(0, false), "", "")
	expect(t, judgeTaken("listen", "http://127.0.0.1:8080", true), OK, "already")
	expect(t, judgeTaken("listen", "http://127.0.0.1:8080", false), Fail, "ss -ltnp")
}

func TestAReportIsForPeopleAndPrograms(t *testing.T) {
	r := newReport([]Finding{fine("a", "Good."), {}}, []Finding{warned("bcd", "So-so.", "This.\nThat."), failed("e", "Bad.", "Mend it.")})
	var text, js strings.Builder
	if err := errors.Join(r.Text(&text), r.JSON(&js)); err != nil {
		t.Fatal(err)
	}
	const want = `ok    a    Good.
warn  bcd  So-so.
      do: This.
          That.
fail  e    Bad.
      do: Mend it.

1 ok, 1 to look at, 1 to mend.
`
	if text.String() != want {
		t.Errorf("got\n%s", text.String())
	}
	if !strings.Contains(js.String(), `"failures": 1`) || !strings.Contains(js.String(), `"do": "Mend it."`) {
		t.Errorf("got\n%s", js.String())
	}
}

func TestServersWithDifferentSecretKeysAreNamed(t *testing.T) {
	one := []peer{{name: "hq/cb-1", online: true, keys: "7 (primary)"}, {name: "hq/cb-2", online: true, keys: "7 (primary)"}, {name: "hq/cb-3", online: true}}
	if f := judgeKeys(one); f.Level != OK || f.Finding != "All servers that were asked have 7 (primary)." {
		t.Errorf("%+v", f)
	}
	one[1].keys = "7 (primary) and 8"
	if f := judgeKeys(one); f.Level != Warn || !strings.Contains(f.Finding, "7 (primary) and 8 at hq/cb-2") {
		t.Errorf("%+v", f)
	}
	if f := judgeKeys(one[2:]); f.Level != "" {
		t.Errorf("%+v", f)
	}
}

func TestWhatAServerWarnsOfAndItsKeysAreRead(t *testing.T) {
	r := reply{body: []byte(`{"ready":true,"warnings":["One.","Two."],"secretKeys":[{"id":7},{"id":8,"primary":true}]}`)}
	if w, k := r.warnings(), r.secretKeys(); w != "One. Two." || k != "7 and 8 (primary)" {
		t.Errorf("%q, %q", w, k)
	}
	if r := (reply{}); r.warnings() != "" || r.secretKeys() != "" {
		t.Error("it made something up")
	}
}
