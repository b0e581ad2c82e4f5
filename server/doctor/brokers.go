package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd"
)

// peer is a broker as it is known before it is asked.
type peer struct {
	name    string // site/broker
	address string
	online  bool
	version string
	keys    string // in its --secret-key-file, as it says itself; empty if it does not
}

// brokers asks each enabled broker at the address that it tells others.
func (v *visit) brokers(ctx context.Context, _ *etcd.Store, view *store.View) []Finding {
	peers := v.peers(view)
	parts := make([][]Finding, len(peers))
	var wg sync.WaitGroup
	for i := range peers {
		wg.Go(func() { parts[i] = v.broker(ctx, &peers[i]) })
	}
	wg.Wait()
	var all []Finding
	for _, p := range parts {
		all = append(all, p...)
	}
	return append(append(all, judgeVersions(peers, v.version), judgeKeys(peers)), append(v.twins(peers), v.reach(peers)...)...)
}

func (v *visit) peers(view *store.View) []peer {
	var all []peer
	for _, s := range v.sites(view) {
		picture := view.Sites[s]
		for _, b := range ids(picture.Brokers) {
			if setting := picture.Brokers[b].Value; setting.Enabled {
				all = append(all, peerOf(s, setting, picture.Presence))
			}
		}
	}
	return all
}

func peerOf(s farm.SiteID, b farm.Broker, present map[farm.BrokerID]farm.Presence) peer {
	p := peer{name: string(s) + "/" + string(b.ID), address: b.Address}
	if here, online := present[b.ID]; online {
		p.online, p.version = true, here.Version
		if here.Address != "" {
			p.address = here.Address
		}
	}
	return p
}

// broker checks one: is it there, is it ready, its certificate, its clock.
func (v *visit) broker(ctx context.Context, p *peer) []Finding {
	what := "broker " + p.name
	u, err := url.Parse(p.address)
	if err != nil || u.Host == "" {
		return []Finding{warned(what, "Its address is not known: it has never been online.", "Start its server, or delete the broker.")}
	}
	var all []Finding
	if u.Scheme == "https" {
		all = append(all, v.brokerCertificate(ctx, what, u))
	}
	alive, err := fetch(ctx, p.address+"/healthz")
	if err != nil {
		return append(all, judgeSilence(what, *p, err))
	}
	ready, err := fetch(ctx, p.address+"/readyz")
	if err == nil {
		p.keys = ready.secretKeys()
	}
	switch {
	case err != nil:
		all = append(all, failed(what, "It stopped answering: "+sentence(err), "Look at its log."))
	case alive.status != 200 || !alive.says("status", "ok"):
		all = append(all, failed(what, fmt.Sprintf("What answers at %s is no Quorate server (status %d).", p.address, alive.status), "Mend its --advertise."))
	case ready.status != 200:
		all = append(all, failed(what, "It is not ready: "+ready.unready(), "Mend what it says; its log tells more."))
	case !p.online:
		all = append(all, warned(what, "A server answers at its address, and the broker is offline.", "Look at that server's log: it may have been started without --broker, or with another one."))
	case ready.warnings() != "":
		all = append(all, warned(what, fmt.Sprintf("Online and ready at %s, and it warns: %s", p.address, ready.warnings()), "Mend what it says; its log tells more."))
	default:
		all = append(all, fine(what, fmt.Sprintf("Online and ready at %s.", p.address)))
	}
	return append(all, judgeClock(what+" clock", alive))
}

func judgeSilence(what string, p peer, err error) Finding {
	var accepted *hung
	if !p.online && silence(err) && errors.As(err, &accepted) {
		return failed(what, fmt.Sprintf("It is offline, and what accepts connections at %s does not answer.", p.address),
			"Look at that machine: its server may be paused or hang. End that process, then start it again.")
	}
	if !p.online {
		return warned(what, "It is offline: "+sentence(err), "Start its server; if it will not return, delete the broker.")
	}
	if silence(err) {
		return failed(what, fmt.Sprintf("It does not answer at %s, though it is online.", p.address),
			"Look at that machine: its server may be paused or hang, or a firewall drop what is sent from here.")
	}
	return failed(what, fmt.Sprintf("It is online and does not answer at %s from here: %s", p.address, sentence(err)),
		"Mend its --advertise, the name in DNS, or the firewall.")
}

func (v *visit) brokerCertificate(ctx context.Context, what string, u *url.URL) Finding {
	what += " TLS"
	got := handshake(ctx, hostPort(u, "443"), &tls.Config{MinVersion: tls.VersionTLS12})
	switch {
	case !got.connected:
		return Finding{} // told by its silence
	case silence(got.err):
		return Finding{} // so it does not answer plain HTTP either
	case got.err != nil:
		return failed(what, "There is no TLS: "+sentence(got.err), "If it speaks plain HTTP, its --advertise begins with http://.")
	}
	level, finding := judgeChain(got.chain, u.Hostname(), v.roots, v.now)
	return Finding{level, what, finding, renewal(level,
		"Give that server a new --tls-cert for "+u.Hostname()+" and restart it. If an authority of your own signed it, tell doctor: --ca FILE.")}
}

// judgeVersions says whether all servers run the same.
func judgeVersions(peers []peer, mine string) Finding {
	const what = "versions"
	by := map[string][]string{}
	for _, p := range peers {
		if p.online {
			by[p.version] = append(by[p.version], p.name)
		}
	}
	switch len(by) {
	case 0:
		return Finding{}
	case 1:
		version := ids(by)[0]
		if version != mine {
			return warned(what, fmt.Sprintf("The servers run %s, and this program is %s.", version, mine), "Run doctor of the servers' own version.")
		}
		return fine(what, "All servers run "+version+".")
	}
	var each []string
	for _, version := range ids(by) {
		each = append(each, version+" at "+strings.Join(by[version], ", "))
	}
	return warned(what, "The servers run different versions: "+strings.Join(each, "; ")+".", "Go on with the upgrade, one server at a time.")
}

// judgeKeys says whether all servers have the same secret keys, and which is primary:
// each round of a rotation must have come to its end everywhere before the next.
func judgeKeys(peers []peer) Finding {
	const what = "secret keys"
	by := map[string][]string{}
	for _, p := range peers {
		if p.online && p.keys != "" {
			by[p.keys] = append(by[p.keys], p.name)
		}
	}
	switch len(by) {
	case 0:
		return Finding{}
	case 1:
		return fine(what, "All servers that were asked have "+ids(by)[0]+".")
	}
	var each []string
	for _, keys := range ids(by) {
		each = append(each, keys+" at "+strings.Join(by[keys], ", "))
	}
	return warned(what, "The servers have different keys: "+strings.Join(each, "; ")+".",
		"Give every server the same --secret-key-file and restart it, before you go on with replacing the key. 'quorate secret-key list FILE' shows the keys of a file.")
}

// twins warns of brokers and addresses that two servers would share.
func (v *visit) twins(peers []peer) []Finding {
	if v.Broker == "" {
		return nil // it tells nobody its address
	}
	mine, own := v.Advertised(), string(v.Site)+"/"+string(v.Broker)
	var all []Finding
	for _, p := range peers {
		same := sameServer(p.address, mine)
		switch {
		case !p.online || same == (p.name == own):
		case p.name == own:
			all = append(all, warned("--broker", fmt.Sprintf("%s is online at %s, which is not this server's --advertise (%s): two servers with one --broker wait for each other.", v.Broker, p.address, mine),
				"Give each server a --broker of its own. If it is this server, whose --advertise has changed, restart it."))
		default:
			all = append(all, warned("--advertise", fmt.Sprintf("Broker %s is online at %s already: others would find that server and not this one.", p.name, p.address),
				"Give each server an --advertise of its own."))
		}
	}
	return all
}

// sameServer says whether two base URLs lead to one host and port.
func sameServer(a, b string) bool {
	one, err := url.Parse(a)
	two, err2 := url.Parse(b)
	return err == nil && err2 == nil && strings.EqualFold(hostPort(one, defaultPort(one)), hostPort(two, defaultPort(two)))
}

func defaultPort(u *url.URL) string {
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// reach warns of addresses that lead others to themselves.
func (v *visit) reach(peers []peer) []Finding {
	addresses := []string{v.Advertised()}
	for _, p := range peers {
		addresses = append(addresses, p.address)
	}
	elsewhere := slices.ContainsFunc(append(addresses, v.Etcd...), func(a string) bool { return a != "" && !loopbackURL(a) })
	var all []Finding
	for _, p := range peers {
		if elsewhere && loopbackURL(p.address) {
			all = append(all, warned("broker "+p.name+" address",
				fmt.Sprintf("It tells others to find it at %s, which is every machine's name for itself.", p.address),
				"Give that server --advertise with a name or address that the other machines know."))
		}
	}
	return all
}

func loopbackURL(address string) bool {
	u, err := url.Parse(address)
	return err == nil && isLoopback(u.Hostname())
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
