package containers

import (
	"slices"
	"sync"
	"testing"
	"time"

	moby "github.com/moby/moby/client"

	"github.com/quorate/quorate/server/client"
)

func TestTheClusterStarts(t *testing.T) {
	b := open(t)
	b.Logf("from nothing to every Provider connected: %v", b.started.Round(time.Millisecond))
}

// Any member of etcd and any broker may die at the same moment.
func TestAMemberAndABrokerDieTogether(t *testing.T) {
	b := open(t)
	for _, member := range members {
		for _, victim := range brokers {
			begin := time.Now()
			b.kill(member)
			b.kill(victim)
			b.await("every Provider is connected elsewhere", all(connected, without(victim)))
			b.Logf("%s and %s killed: every Provider connected after %v", member, victim, time.Since(begin).Round(time.Millisecond))
			b.start(member)
			b.start(victim)
			b.whole()
		}
	}
}

func TestABrokerThatIsPausedIsReplacedAndComesBack(t *testing.T) {
	b := open(t)
	victim := b.await("somebody owns vcenter", owned).Providers["vcenter"].Status.Owner
	begin := time.Now()
	b.pause(victim)
	b.await("every Provider is connected elsewhere", all(connected, without(victim)))
	b.Logf("%s paused: every Provider connected after %v", victim, time.Since(begin).Round(time.Millisecond))
	b.unpause(victim)
	b.whole()
}

func TestABrokerThatIsCutOffIsReplacedAndComesBack(t *testing.T) {
	b := open(t)
	victim := b.await("somebody owns vcenter", owned).Providers["vcenter"].Status.Owner
	begin := time.Now()
	back := b.cutOff(victim)
	b.await("every Provider is connected elsewhere", all(connected, without(victim)))
	b.Logf("%s cut off: every Provider connected after %v", victim, time.Since(begin).Round(time.Millisecond))
	back()
	b.whole()
}

// While a member of etcd is away nothing moves, and a takeover still works.
func TestAMemberThatIsCutOffOrPausedChangesNothing(t *testing.T) {
	b := open(t)
	for _, member := range members {
		before := len(b.story.moves())
		back := b.cutOff(member)
		b.writes()
		back()
		b.healthy(member)
		b.pause(member)
		b.writes()
		b.unpause(member)
		b.healthy(member)
		if moves := b.story.moves()[before:]; len(moves) != 0 {
			b.Errorf("%s: %d moves, the first: %s", member, len(moves), moves[0].Sentence())
		}
	}
}

func owned(now client.State) bool { return now.Providers["vcenter"].Status.Owner != "" }

// writes changes a Provider's settings until a whole second of writes has been
// stored: the cluster works.
func (b *bench) writes() {
	b.Helper()
	var since time.Time
	for begin := time.Now(); since.IsZero() || time.Since(since) < time.Second; {
		err := b.api.Do(b.ctx, "PATCH", "/sites/"+site+"/providers/workshop", map[string]any{"description": time.Now().String()}, nil)
		switch {
		case err != nil && time.Since(begin) > patience:
			b.Fatal(err)
		case err != nil:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		}
	}
}

// Whatever has stopped, Docker starts it again, and all is as before.
func TestEverythingIsRestartedAtOnce(t *testing.T) {
	b := open(t)
	begin := time.Now()
	var restarts sync.WaitGroup
	for _, service := range slices.Concat(members, servers, []string{"vcenter", "pcs"}) {
		id := b.id(service)
		restarts.Go(func() {
			if _, err := b.docker.ContainerRestart(b.ctx, id, moby.ContainerRestartOptions{}); err != nil {
				t.Errorf("%s: %v", service, err)
			}
		})
	}
	restarts.Wait()
	b.whole()
	b.Logf("everything restarted: whole again after %v", time.Since(begin).Round(time.Millisecond))
}
