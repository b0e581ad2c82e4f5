package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quorate/quorate/server/client"
)

func TestAKilledBrokersProvidersMoveAndComeHome(t *testing.T) {
	for _, c := range []struct {
		name     string
		standby  int
		meantime string // high availability while the broker is away
		home     string // why its Providers come home
	}{
		{"with a standby, which stands in", 1, "on", "standby-released"},
		{"without one", 0, "degraded", "failback"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := startDev(t, t.TempDir(), 3+c.standby, "--standby", strconv.Itoa(c.standby), "--hold-down=1s", "--restart-after=2s", "--lease-ttl=1s")
			before := s.awaitSite("everything is connected and high availability is on", func(s client.State) bool {
				return len(s.Providers) == 3 && allConnected(s) && s.Site.Status.HighAvailability.State == "on"
			})
			was := before.Providers["vc-1"].Status
			if was.Epoch == 0 || was.Hosts.Total != 10 || was.Hosts.Available == 0 {
				t.Errorf("vc-1 at first: %+v", was)
			}
			pid := s.pid(was.Owner)
			s.killOwner(was, pid)

			s.awaitSite("a standby stands in, if there is one", func(state client.State) bool {
				b, ok := state.Brokers["cb-4"]
				return state.Site.Status.HighAvailability.State == c.meantime &&
					(!ok || b.Status.Role == "activated" && b.Status.StandsInFor == was.Owner)
			})
			s.await("^[0-9:.]+  " + was.Owner + ` \(pid \d+\) is dead: signal: killed`)
			s.await(was.Owner + " is started again")
			if s.pid(was.Owner) == pid {
				t.Error("dev.json still has the process that was killed")
			}
			home := s.awaitSite("everything is as before", func(s client.State) bool {
				for id, p := range before.Providers {
					if s.Providers[id].Status.Owner != p.Status.Owner {
						return false
					}
				}
				b, ok := s.Brokers["cb-4"]
				return allConnected(s) && s.Site.Status.HighAvailability.State == "on" && (!ok || b.Status.Role == "standby")
			})
			if got := home.Providers["vc-1"].Status; got.OwnerReason != c.home {
				t.Errorf("vc-1 came home with the reason %q, want %q", got.OwnerReason, c.home)
			}
			s.await(`vc-1: cb-\d → ` + was.Owner + `, epoch \d+ \(` + c.home + `\)`)
		})
	}
}

// killOwner kills vc-1's owner and checks that another broker takes over.
func (s *site) killOwner(was client.ProviderStatus, pid int) {
	s.t.Helper()
	killed := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
	now := s.awaitSite("vc-1 is connected at another broker", func(s client.State) bool {
		vc := s.Providers["vc-1"].Status
		return vc.Owner != was.Owner && vc.State == "connected" && vc.Hosts.Available == was.Hosts.Available
	}).Providers["vc-1"].Status
	s.t.Logf("connected at %s after %v", now.Owner, time.Since(killed).Round(time.Millisecond))
	if now.Epoch <= was.Epoch || now.OwnerReason != "broker-offline" || now.Home != was.Owner {
		s.t.Errorf("vc-1 was %+v and is %+v", was, now)
	}
	if !happened(s.events(), client.Event{Type: "provider.owner-changed", Subject: "providers/vc-1",
		From: was.Owner, To: now.Owner, Epoch: now.Epoch, Reason: "broker-offline", Cause: "brokers/" + was.Owner}) {
		s.t.Errorf("no event says that vc-1 moved: %+v", s.events())
	}
}

func TestNothingRemainsOfARun(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for _, c := range []struct {
		name    string
		signal  syscall.Signal
		crashed bool
	}{
		{"after Ctrl-C", syscall.SIGINT, false},
		{"after SIGTERM", syscall.SIGTERM, false},
		{"of its processes when it is killed", syscall.SIGKILL, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, "dev", "--brokers=1", "--standby=1", "--providers=1", "--hosts=1", "--port", port(t, 2))
			facts := p.await(`^  Facts +(\S+dev.json)`)[1]
			s := &site{process: p, dir: filepath.Dir(facts)}
			brokers := s.facts().Brokers
			if info, err := os.Stat(facts); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("dev.json holds a token and is %v, %v", info.Mode(), err)
			}
			if c.crashed {
				p.kill(c.signal)
				<-p.done
			} else if took := p.stop(c.signal); took > 5*time.Second {
				t.Errorf("it took %v to stop", took)
			}
			for _, b := range brokers {
				eventually(t, 5*time.Second, b.ID+" ends", func() bool { return gone(b.PID) })
			}
			if _, err := os.Stat(s.dir); !c.crashed && !os.IsNotExist(err) {
				t.Errorf("%s is still there: %v", s.dir, err)
			}
		})
	}
}

func TestARunGoesOnWhereTheLastOneEnded(t *testing.T) {
	dir := t.TempDir()
	small := []string{"--brokers=1", "--standby=0", "--providers=1", "--hosts=2"}
	first := startDev(t, dir, 1, small...)
	token := first.facts().Token
	name := map[string]any{"description": "made in the first run"}
	if err := first.api.Do(within(t, patience), "PATCH", "/sites/demo/providers/vc-1", name, nil); err != nil {
		t.Fatal(err)
	}

	second := start(t, append([]string{"dev", "--data-dir", dir, "--port", port(t, 1)}, small...)...)
	<-second.done
	if out := strings.Join(second.said(), "\n"); second.cmd.ProcessState.ExitCode() == 0 || !strings.Contains(out, "in use by another quorate dev") {
		t.Errorf("a second run over the same directory: %v\n%s", second.cmd.ProcessState, out)
	}
	taken := start(t, append([]string{"dev", "--port", strings.TrimPrefix(first.facts().Brokers[0].URL, "http://127.0.0.1:")}, small...)...)
	<-taken.done
	if out := strings.Join(taken.said(), "\n"); taken.cmd.ProcessState.ExitCode() == 0 || !strings.Contains(out, "cb-1 cannot listen on 127.0.0.1:") {
		t.Errorf("a second run on the same port: %v\n%s", taken.cmd.ProcessState, out)
	}
	first.stop(syscall.SIGINT)

	again := startDev(t, dir, 1, small...)
	if got := again.facts().Token; got != token {
		t.Errorf("the token was %s and is %s", token, got)
	}
	var p struct{ Description string }
	if err := again.api.Do(within(t, patience), "GET", "/sites/demo/providers/vc-1", nil, &p); err != nil || p.Description != "made in the first run" {
		t.Errorf("vc-1 is %+v, %v", p, err)
	}
	again.stop(syscall.SIGTERM)
}

// happened reports whether there is an event with what want has.
func happened(events []client.Event, want client.Event) bool {
	for _, e := range events {
		if e.Type == want.Type && e.Subject == want.Subject && e.From == want.From && e.To == want.To &&
			e.Epoch == want.Epoch && e.Reason == want.Reason && e.Cause == want.Cause {
			return true
		}
	}
	return false
}
