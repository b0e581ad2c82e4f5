package vsphere_test

import (
	"context"
	"testing"

	"github.com/quorate/quorate/provider/vsphere"
	"github.com/quorate/quorate/provider/vsphere/vspheresim"
)

// BenchmarkTakeover is what a takeover costs here: from nothing to the whole
// inventory. The simulator's share is in it.
func BenchmarkTakeover(b *testing.B) {
	for _, size := range []struct {
		name  string
		hosts int
	}{{"10 Hosts", 10}, {"90 Hosts", 90}} {
		b.Run(size.name, func(b *testing.B) {
			sim := start(b, vspheresim.Config{Hosts: size.hosts})
			target := trusting(sim)
			for b.Loop() {
				conn, err := vsphere.Driver{}.Connect(context.Background(), target)
				must(b, err)
				next(b, conn)
				b.StopTimer()
				must(b, conn.Close(context.Background()))
				b.StartTimer()
			}
		})
	}
}

// BenchmarkConnect is the part of it that is logging in.
func BenchmarkConnect(b *testing.B) {
	sim := start(b, vspheresim.Config{})
	target := trusting(sim)
	for b.Loop() {
		conn, err := vsphere.Driver{}.Connect(context.Background(), target)
		must(b, err)
		b.StopTimer()
		must(b, conn.Close(context.Background()))
		b.StartTimer()
	}
}
