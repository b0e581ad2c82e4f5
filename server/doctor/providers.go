package doctor

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/server"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
)

// providersAtOnce is how many are asked at the same time.
const providersAtOnce = 64

// providers connects to each Provider's address, and logs in nowhere.
func (v *visit) providers(ctx context.Context, _ *etcd.Store, view *store.View) []Finding {
	var all []farm.Provider
	var names []string
	for _, s := range v.sites(view) {
		for _, id := range ids(view.Sites[s].Providers) {
			if p := view.Sites[s].Providers[id].Value; p.Enabled {
				all, names = append(all, p), append(names, "provider "+string(s)+"/"+string(id))
			}
		}
	}
	found := make([]Finding, len(all))
	// No more at once than a firewall takes for ordinary. Whoever has no turn by
	// then is not asked, so that many that hang hold up nobody for long.
	turns := make(chan struct{}, providersAtOnce)
	asking, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	var wg sync.WaitGroup
	for i, p := range all {
		wg.Go(func() {
			select {
			case turns <- struct{}{}:
				defer func() { <-turns }()
				found[i] = v.provider(ctx, names[i], p)
			case <-asking.Done():
				found[i] = warned(names[i], fmt.Sprintf("It was not asked: others took all of the %v that there are for Providers.", 2*patience),
					"Mend those that do not answer, then run this again.")
			}
		})
	}
	wg.Wait()
	return found
}

func (v *visit) provider(ctx context.Context, what string, p farm.Provider) Finding {
	hint := server.AddressHint(p.Type)
	if p.Address == "" && hint == "" {
		return fine(what, "It has no address of its own; the state of each Host says whether it answers.")
	}
	address, secure, ok := whereabouts(p.Address, hint)
	if !ok {
		return fine(what, fmt.Sprintf("Not tried: the port of %s is not known here.", p.Address))
	}
	if !secure {
		return judgeDoor(what, address, dial(ctx, address))
	}
	got := handshake(ctx, address, &tls.Config{MinVersion: tls.VersionTLS12})
	if got.err != nil {
		return judgeDoor(what, address, got)
	}
	// Whether it is trusted is for the Provider's own options to say, and for
	// its status to tell.
	level, finding := judgeValidity(got.chain[0], v.now)
	return Finding{level, what, "It can be connected to at " + address + ". " + finding, renewal(level, "Give the Provider a new certificate.")}
}

func judgeDoor(what, address string, got shown) Finding {
	switch {
	case !got.connected:
		return failed(what, fmt.Sprintf("It cannot be connected to at %s: %s", address, sentence(got.err)),
			"Mend its address, its name in DNS, or the firewall between this machine and it.")
	case silence(got.err):
		return failed(what, "It accepts connections at "+address+" and does not answer.", "Look at that machine.")
	case got.err != nil:
		return failed(what, fmt.Sprintf("There is no TLS at %s: %s", address, sentence(got.err)), "Mend its address.")
	}
	return fine(what, "It can be connected to at "+address+".")
}

// whereabouts makes host and port of a Provider's address: a URL, host:port, or
// a bare host, which the type's example address completes.
func whereabouts(address, hint string) (hostport string, secure, ok bool) {
	if !strings.Contains(address, "://") {
		scheme, _, known := strings.Cut(hint, "://")
		if !known {
			host, port, err := net.SplitHostPort(address)
			return net.JoinHostPort(host, port), false, err == nil
		}
		address = scheme + "://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return "", false, false
	}
	switch {
	case u.Scheme == "https":
		return hostPort(u, "443"), true, true
	case u.Scheme == "http":
		return hostPort(u, "80"), false, true
	case u.Port() != "":
		return u.Host, false, true
	}
	return "", false, false
}
