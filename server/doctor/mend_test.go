package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/store/etcd"
)

func TestAWrongEtcdCAIsBlamedAndNotEtcd(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	cfg := settings(t, secureEtcd(t, a, year), secureEtcd(t, a, year))
	cfg.EtcdCert, cfg.EtcdKey = a.files(a.leaf(year))
	leaf := cfg.EtcdCert
	for _, wrong := range []string{a.file(stranger.cert), leaf, ""} {
		cfg.EtcdCA = wrong
		r := examine(t, cfg)
		about := r.about("--etcd-ca")
		if len(about) != 1 {
			t.Errorf("--etcd-ca is to be judged once: %+v", about)
		}
		finds(t, r, "--etcd-ca", Fail, "Leave etcd's own certificates alone")
		for _, f := range r.about("etcd ") {
			if strings.Contains(f.Do, "Make a certificate") {
				t.Errorf("that would break a healthy etcd: %+v", f)
			}
		}
	}
}

func TestOneMemberWithAStrangeCertificateIsBlamedItself(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	cfg := settings(t, secureEtcd(t, a, year), secureEtcd(t, stranger, year))
	cfg.EtcdCA = a.file(a.cert)
	cfg.EtcdCert, cfg.EtcdKey = a.files(a.leaf(year))
	r := examine(t, cfg)
	finds(t, r, "--etcd-ca", OK, "can be used")
	finds(t, r, "etcd 127.0.0.1", Fail, "Make a certificate")
}

func TestAMembersOwnCertificateIsNoAuthority(t *testing.T) {
	a := newAuthority(t)
	own, _ := a.leaf(year)
	other, _ := a.leaf(year)
	v := &visit{now: time.Now()}
	v.EtcdCA = a.file(own)
	security, err := v.EtcdTLS()
	if err != nil {
		t.Fatal(err)
	}
	// Go trusts the very certificate that it is given, so only the other is strange.
	expect(t, v.judgeAuthority([]shown{chainOf(own), chainOf(other)}, security), Fail, "probably not the authority")
}

func TestAKeyOfAnotherCertificateIsBlamedWithIt(t *testing.T) {
	a := newAuthority(t)
	cfg := settings(t, "https://127.0.0.1:1")
	cfg.EtcdCA = a.file(a.cert)
	cfg.EtcdCert, _ = a.files(a.leaf(year))
	_, cfg.EtcdKey = a.files(a.leaf(year))
	r := examine(t, cfg)
	finds(t, r, "--etcd-ca", OK, "")
	finds(t, r, "--etcd-cert, --etcd-key", Fail, "does not match")
	cfg.EtcdKey = filepath.Join(t.TempDir(), "missing")
	r = examine(t, cfg)
	finds(t, r, "--etcd-ca", OK, "")
	finds(t, r, "--etcd-key", Fail, "is not there")
}

func TestWhatAClusterBearsWhileMembersAreAway(t *testing.T) {
	for _, c := range []struct {
		members, away int
		want          Level
		says          string
	}{
		{3, 0, OK, "bears the loss of 1"},
		{3, 1, Warn, "It bears no loss now: 1 of 3 members is away"},
		{3, 2, Fail, "no majority: 2 of 3 members are away"},
		{2, 1, Fail, "no majority"},
		{5, 1, Warn, "the loss of 1 more now: 1 of 5"},
	} {
		members, answers := cluster(c.members)
		for i := range c.away {
			answers[i] = etcd.Answer{Err: errors.New("refused")}
		}
		expect(t, judgeMembers(members, answers), c.want, c.says)
	}
	members, answers := cluster(3)
	expect(t, judgeMembers(members, answers[:2]), OK, "loss of 1") // the third was not asked
}

func TestOneMemberAloneIsNotBehind(t *testing.T) {
	_, answers := cluster(2)
	answers[1] = etcd.Answer{Err: errors.New("refused")}
	expect(t, judgeLag(answers), "", "")
}

func TestTheServersCertificateIsForItsAdvertisedName(t *testing.T) {
	a := newAuthority(t)
	cfg := settings(t, "http://127.0.0.1:1")
	cfg.TLSCert, cfg.TLSKey = a.files(a.leaf(year, "cb-1"))
	cfg.Advertise = "https://cb-2:8080"
	finds(t, examine(t, cfg), "--tls-cert", Fail, "not for cb-2, the host of --advertise")
	cfg.Advertise = "https://cb-1:8080"
	if about := examine(t, cfg).about("--tls-cert"); len(about) != 1 || about[0].Level != OK {
		t.Errorf("it is for that name: %+v", about)
	}
}

func TestTwoServersWithOneNameOrAddressAreTold(t *testing.T) {
	v := &visit{}
	v.Site, v.Broker, v.Advertise = "hq", "cb-2", "https://10.0.0.2:8080"
	other := peer{name: "hq/cb-1", address: "https://10.0.0.1:8080", online: true}
	own := peer{name: "hq/cb-2", address: "https://10.0.0.2:8080/", online: true}
	if got := v.twins([]peer{other, own}); len(got) > 0 {
		t.Errorf("each has its own: %+v", got)
	}
	own.address = "https://10.0.0.9:8080"
	other.address = "https://10.0.0.2:8080"
	got := v.twins([]peer{other, own})
	if len(got) != 2 {
		t.Fatalf("got %+v", got)
	}
	expect(t, got[0], Warn, "Broker hq/cb-1 is online at https://10.0.0.2:8080 already")
	expect(t, got[1], Warn, "cb-2 is online at https://10.0.0.9:8080, which is not this server's --advertise")
	own.online, other.online = false, false
	if got := v.twins([]peer{other, own}); len(got) > 0 {
		t.Errorf("they are offline: %+v", got)
	}
}

func TestASilentServerIsNotToldToChangeItsSettings(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // as of a paused process, the kernel accepts
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	v := &visit{now: time.Now()}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	address := "https://" + ln.Addr().String()
	u, door := address, knock(ctx, address, nil)
	all := v.member(etcd.Answer{Endpoint: u, Err: context.DeadlineExceeded}, door, nil, false)
	if len(all) != 1 {
		t.Errorf("it is to be said once: %+v", all)
	}
	expect(t, all[0], Fail, "Look at that machine")
	ctx, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	told := newReport(v.broker(ctx, &peer{name: "hq/cb-1", address: address, online: true})).Findings
	if len(told) != 1 {
		t.Fatalf("it is to be said once: %+v", told)
	}
	expect(t, told[0], Fail, "It does not answer at "+address)
	expect(t, told[0], Fail, "Look at that machine")
}

func TestAFileIsMissingOrClosed(t *testing.T) {
	expect(t, unread("--etcd-ca", "/nope", &os.PathError{Op: "open", Path: "/nope", Err: os.ErrNotExist}), Fail, "The file /nope is not there.")
	expect(t, unread("--etcd-ca", "/nope", &os.PathError{Op: "open", Path: "/nope", Err: os.ErrPermission}), Fail, "Let the user")
	if got := sentence(errors.New("dial tcp: refused")); got != "dial tcp: refused." {
		t.Errorf("after a colon nothing begins with a capital: %s", got)
	}
}

func chainOf(c *x509.Certificate) shown {
	return shown{connected: true, chain: []*x509.Certificate{c}}
}

// A paused server loses its lease, and its machine goes on accepting for it.
func TestAnOfflineBrokerWhoseServerHangsIsNotToBeStartedBesideIt(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	_, err = fetch(t.Context(), "http://"+ln.Addr().String())
	expect(t, judgeSilence("broker", peer{address: "http://" + ln.Addr().String()}, err), Fail, "End that process")
	_ = ln.Close()
	_, err = fetch(t.Context(), "http://"+ln.Addr().String())
	expect(t, judgeSilence("broker", peer{}, err), Warn, "Start its server")
}
