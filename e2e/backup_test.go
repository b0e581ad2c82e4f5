package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quorate/quorate/provider/vsphere/vspheresim"
	"github.com/quorate/quorate/server/client"
)

// provider adds a Provider at the simulator.
func (c *cluster) provider(id string, sim *vspheresim.Server) {
	c.t.Helper()
	c.do("POST", "/providers", map[string]any{
		"id": id, "type": "vsphere", "address": sim.URL(), "preferredConnectionBroker": map[string]any{"mode": "automatic"},
		"credentials": map[string]any{"username": sim.Username(), "password": sim.Password()},
		"options":     map[string]any{"caCertificate": sim.CertificatePEM()},
	})
}

// unrest moves every Provider to each broker, and returns the highest epoch of
// each.
func (c *cluster) unrest(ids ...string) map[string]uint64 {
	c.t.Helper()
	highest := map[string]uint64{}
	for _, broker := range []string{"cb-1", "cb-2", "cb-3", "cb-1"} {
		for _, id := range ids {
			c.do("POST", "/providers/"+id+"/move", map[string]any{"broker": broker})
			s := c.await(id+" is connected at "+broker, func(s client.State) bool {
				return s.Providers[id].Status.Owner == broker && s.Providers[id].Status.State == "connected"
			})
			highest[id] = max(highest[id], s.Providers[id].Status.Epoch)
		}
	}
	return highest
}

// restored throws etcd's data away and starts it with what the commands restore.
func (c *cluster) restored(sh *shell, dir, restore string) {
	c.t.Helper()
	c.etcd.kill()
	if err := os.RemoveAll(c.etcd.dir); err != nil {
		c.t.Fatal(err)
	}
	sh.run(restore)
	c.etcd.dir = filepath.Join(dir, "etcd-restored")
	c.etcd.start()
}

// The commands of docs/backup.md are run as they stand there, but for addresses
// and files: a Farm is lost and comes back, and no epoch ever comes twice.
func TestABackupBringsTheFarmBack(t *testing.T) {
	sim, err := vspheresim.Start(vspheresim.Config{Hosts: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	farm := newCluster(t)
	ids := []string{"vc-1", "vc-2"}
	for _, id := range ids {
		farm.provider(id, sim)
	}
	before := farm.connected()

	dir := t.TempDir()
	sh := newShell(t, dir)
	blocks := commandsOf(t, "docs/backup.md")
	if len(blocks) != 6 {
		t.Fatalf("docs/backup.md has %d blocks of commands, this test knows 6", len(blocks))
	}
	local := strings.NewReplacer("http://127.0.0.1:2379", farm.etcd.url(), "http://127.0.0.1:2380", farm.etcd.peerURL(), "/etc/quorate/secret.key", farm.key)
	settings, save, restore, raise, export, secrets := local.Replace(blocks[0]), blocks[1], local.Replace(blocks[2]), blocks[3], blocks[4], blocks[5]

	sh.run("export QUORATE_SITE=nowhere; " + settings) // what a server may be told is not for export
	if said := sh.run(save); !strings.Contains(said, "REVISION") {
		t.Errorf("the snapshot's status:\n%s", said)
	}
	highest := farm.unrest(ids...)
	if said := sh.run("if quorate raise-epochs --wait 100ms; then false; fi"); !strings.Contains(said, "no epoch was raised, because brokers are online: hq/cb-1, hq/cb-2, hq/cb-3. Stop every server first") {
		t.Errorf("while servers run:\n%s", said)
	}

	farm.stop()
	farm.restored(sh, dir, restore)
	if said := sh.run(raise); !strings.Contains(said, "2 epochs were raised by 1000000") {
		t.Errorf("raise-epochs said:\n%s", said)
	}
	farm.start()
	after := farm.connected()
	for id, epoch := range highest {
		now, was := after.Providers[id].Status, before.Providers[id].Status
		if now.Epoch <= epoch || now.Epoch <= was.Epoch {
			t.Errorf("%s has epoch %d, and had %d", id, now.Epoch, epoch)
		}
		t.Logf("%s: epoch %d in the snapshot, up to %d later, %d after the restore", id, was.Epoch, epoch, now.Epoch)
	}

	if said := sh.run(export); !strings.Contains(said, "Nothing would change.") || !strings.Contains(said, "Nothing has changed") {
		t.Errorf("export and import said:\n%s", said)
	}
	if said := sh.run(secrets); !strings.Contains(said, "Nothing would change.") {
		t.Errorf("with passwords they said:\n%s", said)
	}

	said := sh.run("quorate keygen wrong.key; if quorate import --secret-key-file wrong.key --passphrase-file passphrase farm-with-passwords.yaml; then false; fi")
	if !strings.Contains(said, "it is not the key of this Farm") {
		t.Errorf("with another secret key:\n%s", said)
	}

	// If the servers are not stopped, which they should be, they recover.
	sh.run("rm -r etcd-restored farm.db; " + save)
	farm.restored(sh, dir, restore)
	farm.await("every broker has begun a new life", func(s client.State) bool {
		for _, b := range s.Brokers {
			if b.Status.State != "online" || b.Status.Incarnation < 2_000_000_000 {
				return false
			}
		}
		return true
	})
	farm.do("PATCH", "", map[string]any{"description": "after the second restore"})
	farm.connected()
	farm.unrest("vc-1")

	// The document brings the Farm to another etcd, under another secret key.
	other := newCluster(t)
	sh.run("quorate import --etcd " + other.etcd.url() + " --secret-key-file " + other.key + " --passphrase-file passphrase farm-with-passwords.yaml")
	other.connected()
	sh.run("quorate export --etcd " + other.etcd.url() + " | sed '/^ *address: http:/d' > there.yaml; sed '/^ *address: http:/d' farm.yaml | diff - there.yaml")
}
