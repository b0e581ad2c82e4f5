// Package doctor looks for what usually goes wrong with a server, its etcd and
// its Farm, and says what to do. It judges the settings that it is given, which
// are those of `serve`, and reads them with the server's own code.
//
// Each check is a file: what asks the world returns facts, and a function of
// those facts and nothing else judges them.
package doctor

import (
	"context"
	"crypto/x509"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/server"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
)

// Config is what to look at.
type Config struct {
	server.Config `embed:""`

	CA string `name:"ca" help:"CA file that the servers' own certificates are checked with (PEM). Default: the authorities that this machine trusts." placeholder:"FILE"`
}

// Patience of each question. All of them together take about four of it, however
// many hang.
const patience = 4 * time.Second

// visit is one examination.
type visit struct {
	Config
	version string
	now     time.Time
	roots   *x509.CertPool // for the servers' certificates; nil: the machine's
}

// Examine makes all checks, as many at once as do not need each other, and
// changes nothing that lasts. Its report has a fixed order.
func Examine(ctx context.Context, cfg Config, version string) Report {
	v := &visit{Config: cfg, version: version, now: time.Now()}
	var here, storage, farm []Finding
	here = append(here, v.settings(), v.advertised(), v.authority())
	here = append(here, v.files()...)
	var wg sync.WaitGroup
	var local []Finding
	wg.Go(func() { local = v.local(ctx) })
	wg.Go(func() { storage, farm = v.beyond(ctx) })
	wg.Wait()
	here = slices.DeleteFunc(here, func(f Finding) bool { return f.Level == OK && contradicted(f, storage) })
	return newReport(here, local, storage, farm)
}

// contradicted says whether a setting that can be read has turned out to be wrong.
func contradicted(f Finding, later []Finding) bool {
	return slices.ContainsFunc(later, func(l Finding) bool { return l.What == f.What && l.Level == Fail })
}

// beyond checks etcd and what is stored there.
func (v *visit) beyond(ctx context.Context) (storage, farm []Finding) {
	security, err := v.EtcdTLS()
	if err != nil {
		return []Finding{failed("etcd", "It is not asked: "+sentence(err), "Mend the file that is named, then run this again.")}, nil
	}
	client, err := etcd.Dial(etcd.DialConfig{Endpoints: v.Etcd, TLS: security})
	if err != nil {
		return []Finding{failed("etcd", "It cannot be asked: "+sentence(err), "Mend --etcd, then run this again.")}, nil
	}
	defer func() { _ = client.Close() }()
	storage, usable := v.etcd(ctx, client, security)
	if !usable {
		return storage, nil
	}
	return storage, v.farm(ctx, client)
}

// farm checks what is stored, once etcd is known to answer.
func (v *visit) farm(ctx context.Context, client *clientv3.Client) []Finding {
	sealer, _ := v.Sealer() // a file that cannot be used is reported by its own check
	st, err := etcd.New(etcd.Config{Client: client, Prefix: v.EtcdPrefix, Sealer: sealer, Visit: true})
	if err != nil {
		return []Finding{failed("stored", "It cannot be opened: "+sentence(err), "This should not happen: please report it.")}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		_ = st.Run(ctx) // what it cannot read, the check of the format has told
	}()
	defer func() {
		stop()
		<-ran
	}()
	view, problem := firstView(ctx, st)
	if problem != nil {
		return []Finding{*problem}
	}
	var parts [4][]Finding
	var wg sync.WaitGroup
	for i, check := range []func(context.Context, *etcd.Store, *store.View) []Finding{v.tokens, v.secrets, v.brokers, v.providers} {
		wg.Go(func() { parts[i] = check(ctx, st, view) })
	}
	wg.Wait()
	all := judgeWhole(v.EtcdPrefix, view)
	for _, s := range v.sites(view) {
		all = append(all, judgeCoordinator(v.EtcdPrefix, s, view.Sites[s]))
	}
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
