package etcd_test

import (
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/store/etcd"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

// A server that has not the key yet with which others encrypt says so before it is
// to use what they have stored, and no longer once it is encrypted for it too.
func TestAServerThatCannotOpenWhatIsStoredSaysSo(t *testing.T) {
	m := newMemory(t, etcdtest.Start(t))
	r := rotate(t)
	m.sealer = r.old
	before := m.open(t)
	putSecret(t, before, "vc-1", "of vc-1")
	says := func(st *etcd.Store, want string) {
		t.Helper()
		var problem string
		for start := time.Now(); time.Since(start) < 5*time.Second; {
			problem = st.Health(within(t, time.Second)).Problem
			if want == "" && problem == "" || want != "" && strings.Contains(problem, want) {
				return
			}
		}
		t.Errorf("it says %q, want %q", problem, want)
	}
	says(before, "")
	m.sealer = r.promoted
	after := m.open(t)
	putSecret(t, after, "vc-2", "of vc-2")
	says(before, "does not open the stored password of Provider hq/vc-2")
	m.sealer = r.old
	late := m.open(t)
	if err := late.CheckSecretKey(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	says(late, "does not open the stored password of Provider hq/vc-2")
	putSecret(t, after, "vc-3", "of vc-3")
	says(late, "does not open 2 stored passwords, such as that of Provider hq/vc-2")
	says(after, "")
	putSecret(t, before, "vc-2", "of vc-2")
	putSecret(t, before, "vc-3", "")
	says(late, "")

	keys := after.Health(within(t, time.Second)).SecretKeys
	if len(keys) != 2 || keys[0].Primary || !keys[1].Primary || keys[1].ID != r.promoted.PrimaryID() {
		t.Errorf("its keys: %+v", keys)
	}
}
