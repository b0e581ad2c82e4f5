package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/store/etcd"
)

// etcd checks each member and all of them together. usable says whether what is
// stored can be read.
func (v *visit) etcd(ctx context.Context, client *clientv3.Client, security *tls.Config) (all []Finding, usable bool) {
	doors := make([]shown, len(v.Etcd))
	var wg sync.WaitGroup
	for i, endpoint := range v.Etcd {
		wg.Go(func() { doors[i] = knock(ctx, endpoint, security) })
	}
	wg.Wait()
	if why := nobody(doors); why != "" {
		return []Finding{failed("etcd", why,
			"Start etcd, or mend --etcd, or the firewall (port 2379). What needs etcd is not checked.")}, false
	}
	blamed := v.judgeAuthority(doors, security)
	all = append(all, blamed)
	c := etcd.CheckUp(ctx, client, v.EtcdPrefix, v.LeaseTTL)
	for i, a := range c.Answers {
		all = append(all, v.member(a, doors[i], security, blamed.Level == Fail)...)
	}
	answering := 0
	for _, a := range c.Answers {
		if a.Err == nil {
			answering++
		}
	}
	if answering == 0 {
		return all, false
	}
	all = append(all, judgeMembers(c.Members, c.Answers), judgeEndpoints(c.Members, c.Answers), judgeAgreement(c.Answers), judgeLag(c.Answers))
	for _, a := range c.Alarms {
		all = append(all, judgeAlarm(a, nameOf(c.Members, a.Member), v.etcdctl()))
	}
	all = append(all, judgeLatency("etcd read", c.Format.Took, c.Format.Err, v.LeaseTTL))
	if c.Format.Err != nil {
		return all, false
	}
	all = append(all, judgeLatency("etcd write", c.Write.Took, c.Write.Err, v.LeaseTTL))
	if c.Grant.Err == nil {
		all = append(all, judgeLease(v.LeaseTTL, c.Grant.Value, v.Timing()))
	}
	if c.Floor.Err == nil {
		all = append(all, judgeElection(v.EtcdElection, c.Floor.Value))
	}
	stored := judgeFormat(c.Format.Value)
	if c.Format.Value == 0 && len(c.Elsewhere) > 0 {
		stored = judgeElsewhere(v.EtcdPrefix, c.Elsewhere)
	}
	return append(all, stored), c.Format.Value > 0 && stored.Level == OK
}

// knock connects to an endpoint, with TLS if its URL says so.
func knock(ctx context.Context, endpoint string, security *tls.Config) shown {
	u, err := url.Parse(endpoint)
	if err != nil {
		return shown{err: err}
	}
	if u.Scheme == "https" {
		return handshake(ctx, hostPort(u, "2379"), security)
	}
	return dial(ctx, hostPort(u, "2379"))
}

// dial connects and says nothing.
func dial(ctx context.Context, address string) shown {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return shown{err: err}
	}
	_ = c.Close()
	return shown{connected: true}
}

func hostPort(u *url.URL, port string) string {
	if p := u.Port(); p != "" {
		port = p
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// nobody says once what keeps all members away; empty if any is there.
func nobody(doors []shown) string {
	var why []string
	for _, d := range doors {
		if d.connected {
			return ""
		}
		why = append(why, d.err.Error())
	}
	return fmt.Sprintf("None of its %d endpoints can be connected to: %s.", len(doors), strings.Join(why, "; "))
}

// member judges one endpoint: its certificate, its answer, its version, its size.
func (v *visit) member(a etcd.Answer, door shown, security *tls.Config, blamed bool) []Finding {
	u, err := url.Parse(a.Endpoint)
	if err != nil {
		return nil // the settings' own check says so
	}
	what := "etcd " + u.Host
	if !door.connected {
		return []Finding{failed(what, "It cannot be connected to: "+sentence(door.err), "Start it, or mend --etcd, or the firewall (port 2379).")}
	}
	all := []Finding{v.encryption(what, u, door, security, blamed)}
	if a.Err != nil {
		if all[0].Level != Fail { // else that is why
			all = append(all, failed(what, "It accepts connections and does not answer: "+sentence(a.Err),
				"Look at its log. If it asks for a client certificate, give --etcd-cert and --etcd-key; if it speaks TLS, its URL is https://."))
		}
		return all
	}
	return append(all, judgeMember(what, a), judgeVersion(what+" version", a.Version), judgeSize(what+" size", a.Size, a.InUse, a.Quota, v.etcdctl()))
}

func (v *visit) encryption(what string, u *url.URL, door shown, security *tls.Config, blamed bool) Finding {
	what += " TLS"
	switch {
	case u.Scheme != "https" && isLoopback(u.Hostname()):
		return fine(what, "Not encrypted, and it does not leave this machine.")
	case u.Scheme != "https":
		return warned(what, "Not encrypted: whoever is on the network can read and change everything but Providers' passwords.",
			"Run etcd with TLS and client certificates, as docs/install.md does.")
	case silence(door.err):
		return failed(what, "It accepts connections and does not answer.", "Look at that machine: etcd may be paused or hang, or the machine be overloaded.")
	case door.err != nil:
		return failed(what, "There is no TLS: "+sentence(door.err), "If etcd runs without TLS, its URL is http://.")
	}
	level, finding := judgeChain(door.chain, u.Hostname(), rootsOf(security), v.now)
	do := "Make a certificate for " + u.Hostname() + " with the authority of --etcd-ca, give it to etcd and restart that member."
	if blamed && strange(door.chain, rootsOf(security), v.now) {
		do = "Mend --etcd-ca first, as is said of it; leave this member alone."
	}
	return Finding{level, what, finding, renewal(level, do)}
}

// judgeAuthority blames --etcd-ca if it is the likelier fault: if it fits no
// member, or is no authority at all, new certificates would break what is well.
func (v *visit) judgeAuthority(doors []shown, security *tls.Config) Finding {
	const what = "--etcd-ca"
	seen, unknown, signer := 0, 0, ""
	for _, d := range doors {
		if len(d.chain) == 0 {
			continue
		}
		seen++
		if strange(d.chain, rootsOf(security), v.now) {
			unknown++
			signer = d.chain[0].Issuer.CommonName
		}
	}
	switch {
	case unknown == 0 || unknown < seen && (v.EtcdCA == "" || holdsAuthority(v.EtcdCA)):
		return Finding{}
	case v.EtcdCA == "":
		return failed(what, fmt.Sprintf("It is not given, and etcd's certificates were signed by %q, which this machine does not trust.", signer),
			"Give --etcd-ca the certificate of that authority. Leave etcd's own certificates alone.")
	}
	return failed(what, fmt.Sprintf("%s is probably not the authority that signed etcd's certificates: they name %q.", v.EtcdCA, signer),
		"Give --etcd-ca the certificate of the authority that etcd uses, ca.crt in docs/install.md. Leave etcd's own certificates alone.")
}

// holdsAuthority says whether any certificate in the file may sign others.
func holdsAuthority(file string) bool {
	rest, _ := os.ReadFile(file) // whether it can be read, its own check says
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return false
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && c.IsCA {
			return true
		}
	}
}

func rootsOf(security *tls.Config) *x509.CertPool {
	if security == nil {
		return nil
	}
	return security.RootCAs
}

func judgeMember(what string, a etcd.Answer) Finding {
	switch {
	case len(a.Errors) > 0:
		return failed(what, "It is not healthy: "+strings.Join(a.Errors, "; ")+".", "See the alarms, and its log.")
	case a.Learner:
		return warned(what, "It is a learner: it has no vote, and its loss or presence changes nothing.", "When it has caught up: etcdctl member promote "+fmt.Sprintf("%x", a.ID))
	case a.Leader == a.ID:
		return fine(what, "It answers, and leads.")
	}
	return fine(what, "It answers.")
}

func nameOf(members []etcd.ClusterMember, id uint64) string {
	for _, m := range members {
		if m.ID == id && m.Name != "" {
			return m.Name
		}
	}
	return fmt.Sprintf("Member %x", id)
}

// etcdctl is how to call it with these settings.
func (v *visit) etcdctl() string {
	call := "etcdctl --endpoints=" + strings.Join(v.Etcd, ",")
	for _, f := range []struct{ flag, file string }{{"cacert", v.EtcdCA}, {"cert", v.EtcdCert}, {"key", v.EtcdKey}} {
		if f.file != "" {
			call += " --" + f.flag + "=" + f.file
		}
	}
	return call
}
