package e2e

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/quorate/quorate/server/client"
)

func TestTwoOfFourBrokersKilledAtOnceAbandonEverything(t *testing.T) {
	s := startDev(t, t.TempDir(), 4, "--brokers=4", "--standby=0", "--restart-after=never", "--lease-ttl=1s", "--providers=4", "--hosts=2")
	s.awaitSite("high availability is on", func(s client.State) bool {
		return s.Site.Status.HighAvailability.State == "on" && allConnected(s)
	})
	facts := s.facts()
	victims := facts.Brokers[:2]
	for _, b := range victims {
		if err := syscall.Kill(b.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	s.awaitSite("all is abandoned", func(s client.State) bool {
		for _, p := range s.Providers {
			if p.Status.State != "abandoned" || p.Status.Owner != "" || p.Status.Hosts.Available != 0 {
				return false
			}
		}
		return s.Site.Status.HighAvailability.State == "lost"
	})

	back := victims[1]
	address := back.URL[len("http://"):]
	one := start(t, "serve", "--no-guard", "--site=demo", "--broker="+back.ID, "--listen="+address, "--advertise="+back.URL,
		"--etcd="+facts.Etcd[0], "--etcd-election=500ms", "--lease-ttl=1s",
		"--root-token-file="+filepath.Join(s.dir, "root.token"), "--secret-key-file="+filepath.Join(s.dir, "secret.key"))
	s.awaitSite("three of four serve everything", func(s client.State) bool {
		return s.Site.Status.HighAvailability.State == "degraded" && allConnected(s)
	})
	one.stop(syscall.SIGTERM)
}
