package e2e

import (
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/quorate/quorate/server/client"
)

// With leases of a minute only the guards can have replaced a dead broker.
func TestADeadBrokerIsReplacedByItsGuard(t *testing.T) {
	c := prepareCluster(t)
	for i, args := range c.args {
		c.args[i] = slices.DeleteFunc(slices.Clone(args), func(a string) bool { return a == "--no-guard" || a == "--lease-ttl=1s" })
		c.args[i] = append(c.args[i], "--lease-ttl=60s", "--restart-after=10ms")
	}
	c.etcd.start()
	c.start()
	pid := func(server int) int {
		pid, err := strconv.Atoi(c.servers[server].await(`msg=guarding .*pid=(\d+)`)[1])
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	was := c.await("online", func(s client.State) bool { return s.Brokers["cb-1"].Status.State == "online" })
	child := pid(0)
	if child == c.servers[0].cmd.Process.Pid {
		t.Fatal("the guard serves itself")
	}
	killed := time.Now()
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	c.await("started again", func(s client.State) bool {
		now := s.Brokers["cb-1"].Status
		return now.State == "online" && now.Incarnation != was.Brokers["cb-1"].Status.Incarnation
	})
	t.Logf("online again %v after it was killed", time.Since(killed))

	// A server whose guard is killed stops in good order.
	child = pid(1)
	c.servers[1].kill(syscall.SIGKILL)
	c.await("handed over and gone", func(s client.State) bool { return s.Brokers["cb-2"].Status.State == "offline" })
	eventually(t, patience, "the server ends", func() bool { return gone(child) })

	// One that cannot start says so and is not tried again.
	wrong := startAs(t, c.binary, append(slices.Clone(c.args[1]), "--secret-key-file=/nowhere")...)
	wrong.await(`secret-key-file`)
	wrong.await(`did not start`)
	<-wrong.done
	if wrong.cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("%v", wrong.cmd.ProcessState)
	}
	for _, s := range []int{0, 2} {
		child := pid(s)
		c.servers[s].stop(syscall.SIGTERM)
		if !gone(child) {
			t.Errorf("server %d goes on without its guard", s)
		}
	}
}
