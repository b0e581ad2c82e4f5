package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// As after `quorate dev | head`.
func TestARunWhoseReaderHasGoneRemovesItsDirectory(t *testing.T) {
	tmp := t.TempDir()
	cmd := exec.Command(binary, "dev", "--brokers=1", "--standby=0", "--providers=0", "--port", port(t, 1))
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timeout := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timeout.Stop()
	if !bufio.NewScanner(out).Scan() {
		t.Error("it says nothing")
	}
	_ = out.Close()
	eventually(t, patience, "its facts are there", func() bool {
		found, _ := filepath.Glob(filepath.Join(tmp, "quorate-dev-*", "dev.json"))
		return len(found) == 1
	})
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(tmp, "quorate-dev-*")); len(left) != 0 {
		t.Errorf("it leaves %v", left)
	}
}

// The presences of a run that was killed are there until their leases end.
func TestARunAfterOneThatWasKilledSpeaksOfItsOwnBrokers(t *testing.T) {
	dir := t.TempDir()
	small := []string{"--brokers=1", "--standby=0", "--providers=1", "--hosts=1", "--lease-ttl=5s"}
	first := startDev(t, dir, 1, small...)
	was := first.awaitSite("up", allConnected).Brokers["cb-1"].Status.Incarnation
	pid := first.pid("cb-1")
	first.kill(syscall.SIGKILL)
	<-first.done
	eventually(t, patience, "cb-1 ends", func() bool { return gone(pid) })

	second := startDev(t, dir, 1, small...)
	now := second.awaitSite("up", allConnected).Brokers["cb-1"].Status.Incarnation
	if now <= was {
		t.Errorf("the welcome spoke of the life of before: %d, then %d", was, now)
	}
	second.stop(syscall.SIGINT)
}
