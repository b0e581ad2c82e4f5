package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/quorate/quorate/server/client"
)

// An etcd with an empty directory answers like any other.
func TestAnEtcdThatHasLostItsDataIsNoticedAndNothingIsBegunAnew(t *testing.T) {
	const token = "qr_a-token-for-this-test-only"
	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	store := newEtcd(t)
	store.start()
	base := "http://127.0.0.1:" + port(t, 1)
	serve := func() *process {
		return start(t, "serve", "--no-guard", "--site=hq", "--broker=cb-1", "--listen="+base[len("http://"):], "--etcd="+store.url(),
			"--etcd-election=500ms", "--lease-ttl=1s", "--root-token-file="+tokenFile)
	}
	api := client.New(token, base)
	defer api.Close()
	online := func(what string) {
		t.Helper()
		if _, err := api.Await(within(t, patience), "hq", what, func(s client.State) bool {
			return s.Brokers["cb-1"].Status.State == "online"
		}); err != nil {
			t.Fatal(err)
		}
	}
	missed := func() {
		t.Helper()
		eventually(t, patience, "the server says that the data is lost", func() bool {
			ready, report, err := client.Ready(within(t, patience), base)
			return err == nil && !ready && strings.Contains(report, "etcd has lost its data")
		})
		if err := api.Do(within(t, patience), "GET", "/sites", nil, nil); err == nil || !strings.Contains(err.Error(), "etcd has lost its data") {
			t.Errorf("the API answers %v", err)
		}
	}
	s := serve()
	online("the broker is online")

	full := store.dir
	store.kill()
	store.dir = t.TempDir()
	store.start()
	missed()
	s.await("level=ERROR msg=.*etcd has lost its data")

	// The right directory is there again: no more is needed.
	store.kill()
	store.dir = full
	store.start()
	online("the broker is online again")

	// It is lost for good: a restart begins a new Farm, with the same token.
	store.kill()
	store.dir = t.TempDir()
	store.start()
	missed()
	s.stop(syscall.SIGTERM)
	again := serve()
	again.await("a new Farm begins")
	online("the broker is online in a new Farm")
}
