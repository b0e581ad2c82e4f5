package containers

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quorate/quorate/server/client"
)

// A client of each server reads and writes all the time. All it may ever see
// is that the one server that is being restarted takes no connection.
func TestServersAreRestartedOneByOneUnderClients(t *testing.T) {
	b := open(t)
	load := b.load()
	for _, id := range servers {
		before := b.await("it is online", func(now client.State) bool { return now.Brokers[id].Status.State == "online" })
		load.down(id)
		begin := time.Now()
		b.restart(id)
		b.await("it is back", func(now client.State) bool {
			return now.Brokers[id].Status.Incarnation > before.Brokers[id].Status.Incarnation
		})
		load.up(id, b.address(id))
		b.Logf("%s restarted in %v", id, time.Since(begin).Round(time.Millisecond))
		b.whole()
	}
	load.end()
}

// etcd's members are restarted one by one: nobody notices, and nothing moves.
func TestMembersAreRestartedOneByOneUnderClients(t *testing.T) {
	b := open(t)
	load := b.load()
	for _, member := range members {
		begin := time.Now()
		b.restart(member)
		b.healthy(member)
		b.Logf("%s restarted in %v", member, time.Since(begin).Round(time.Millisecond))
	}
	load.end()
	for _, e := range b.story.moves() {
		b.Errorf("moved: %s", e.Sentence())
	}
}

// load is a client for each server that asks it all the time.
type load struct {
	b       *bench
	stop    context.CancelFunc
	clients sync.WaitGroup
	asked   atomic.Int64
	refused atomic.Int64

	mu      sync.Mutex
	isDown  map[string]bool
	address map[string]string
}

func (b *bench) load() *load {
	ctx, stop := context.WithCancel(b.ctx)
	l := &load{b: b, stop: stop, isDown: map[string]bool{}, address: map[string]string{}}
	for _, id := range servers {
		l.address[id] = b.address(id)
		l.clients.Go(func() { l.run(ctx, id) })
	}
	b.Cleanup(stop)
	return l
}

// end stops the clients and says what they have seen.
func (l *load) end() {
	l.stop()
	l.clients.Wait()
	l.b.Logf("%d requests; %d found the server down", l.asked.Load(), l.refused.Load())
	if l.asked.Load() < 100 {
		l.b.Error("that is too few to mean anything")
	}
}

func (l *load) down(id string) { l.set(id, true, l.where(id)) }

func (l *load) up(id, address string) { l.set(id, false, address) }

func (l *load) set(id string, down bool, address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.isDown[id], l.address[id] = down, address
}

func (l *load) where(id string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.address[id]
}

func (l *load) mayBeDown(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.isDown[id]
}

// run reads and writes in turn. A server counts as down if it was so when the
// request began or when it ended.
func (l *load) run(ctx context.Context, id string) {
	often := time.NewTicker(20 * time.Millisecond)
	defer often.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		<-often.C
		api := client.NewTLS(l.b.security, l.b.token, l.where(id))
		down := l.mayBeDown(id)
		err := l.ask(ctx, api, id, i)
		api.Close()
		l.asked.Add(1)
		switch {
		case err == nil || ctx.Err() != nil:
		case refused(err) && (down || l.mayBeDown(id)):
			l.refused.Add(1)
		default:
			l.b.Errorf("%s: %v", id, err)
		}
	}
}

func (l *load) ask(ctx context.Context, api *client.Client, id string, i int) error {
	if i%2 == 0 {
		return api.Do(ctx, "GET", "/sites/"+site+"/providers", nil, nil)
	}
	note := map[string]any{"description": fmt.Sprintf("note %d of the client of %s", i, id)}
	return api.Do(ctx, "PATCH", "/sites/"+site+"/brokers/"+id, note, nil)
}
