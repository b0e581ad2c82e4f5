package doctor

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

func TestManyProvidersThatHangAreBoundedInAll(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts: the kernel does
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	const many = 4 * providersAtOnce
	draft := store.NewDraft(nil, 1)
	site := draft.Site("hq")
	site.PutSite(farm.NewSite("hq"), 1)
	for i := range many {
		id := farm.ProviderID("vc-" + strconv.Itoa(i))
		site.PutProvider(farm.Provider{ID: id, Type: "vsphere", Address: "https://" + ln.Addr().String(), Enabled: true}, 1)
	}
	v := &visit{now: time.Now()}
	begin := time.Now()
	r := newReport(v.providers(t.Context(), nil, draft.View()))
	if took := time.Since(begin); took > 3*patience+time.Second {
		t.Errorf("it took %v", took)
	}
	if r.Failures+r.Warnings != many || r.Failures < providersAtOnce || r.Warnings < providersAtOnce {
		t.Fatalf("%d hang and %d were not asked, of %d", r.Failures, r.Warnings, many)
	}
	for _, f := range r.Findings {
		if f.Level == Warn {
			expect(t, f, Warn, "It was not asked")
		} else {
			expect(t, f, Fail, "does not answer")
		}
	}
}
