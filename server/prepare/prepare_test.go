package prepare

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

func config(t *testing.T, parties ...string) Config {
	c := DefaultConfig()
	c.Dir, c.AuthorityIn = filepath.Join(t.TempDir(), "farm"), filepath.Join(t.TempDir(), "authority")
	c.Parties = parties
	return c
}

func prepared(t *testing.T, c Config) string {
	t.Helper()
	var out strings.Builder
	if err := Run(c, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		info, _ := e.Info()
		if private := !strings.HasSuffix(e.Name(), ".crt"); private && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: others may read it: %v", e.Name(), info.Mode())
		}
		files[e.Name()] = string(content)
	}
	return files
}

func TestPartiesTrustEachOther(t *testing.T) {
	c := config(t, "etcd-1=10.0.0.1,etcd-1.example", "cb-1")
	prepared(t, c)
	files := contents(t, c.Dir)
	if len(files) != 7 || files[authorityKey] != "" {
		t.Errorf("files: %v", files)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(files[AuthorityFile]))
	pair := func(name string) tls.Certificate {
		cert, err := tls.LoadX509KeyPair(filepath.Join(c.Dir, name+".crt"), filepath.Join(c.Dir, name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair("etcd-1")}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert}
	server.StartTLS()
	defer server.Close()
	for _, name := range []string{"", "10.0.0.1", "etcd-1.example", "etcd-1", "localhost"} { // "": the loopback's address
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
			RootCAs: roots, Certificates: []tls.Certificate{pair("cb-1")}, ServerName: name,
		}}}
		res, err := client.Get(server.URL)
		if err != nil {
			t.Errorf("as %q: %v", name, err)
			continue
		}
		_ = res.Body.Close()
		client.CloseIdleConnections()
	}
}

func TestWhatIsThereIsKept(t *testing.T) {
	c := config(t, "cb-1", "cb-2=10.0.0.2")
	if out := prepared(t, c); strings.Contains(out, "kept") {
		t.Errorf("first:\n%s", out)
	}
	before := contents(t, c.Dir)
	if out := prepared(t, c); strings.Contains(out, "made") {
		t.Errorf("second:\n%s", out)
	}
	c.Parties = []string{"cb-1", "cb-2=10.0.0.3", "cb-3"} // one moves, one is new
	if out := prepared(t, c); strings.Count(out, "(made anew: other hosts)") != 1 {
		t.Errorf("third:\n%s", out)
	}
	for name, content := range contents(t, c.Dir) {
		changes := strings.HasPrefix(name, "cb-2") || strings.HasPrefix(name, "cb-3")
		if kept := before[name] == content; kept == changes {
			t.Errorf("%s: kept %v", name, kept)
		}
	}
}

func TestACertificateThatIsAboutToEndIsMadeAnew(t *testing.T) {
	c := config(t, "cb-1")
	prepared(t, c)
	before := contents(t, c.Dir)
	ca, err := c.authority(time.Now(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	p := party{"cb-1", []string{"cb-1", "localhost", "127.0.0.1", "::1"}}
	if err := c.certify(ca, p, time.Now().Add(c.Valid*8/10), io.Discard); err != nil || contents(t, c.Dir)["cb-1.crt"] != before["cb-1.crt"] {
		t.Errorf("with a fifth left: %v", err)
	}
	if err := c.certify(ca, p, time.Now().Add(c.Valid*19/20), io.Discard); err != nil || contents(t, c.Dir)["cb-1.crt"] == before["cb-1.crt"] {
		t.Errorf("with a twentieth left: %v", err)
	}
	if _, err := c.authority(time.Now().Add(11*c.Valid), io.Discard); err == nil {
		t.Error("an authority that has ended was used")
	}
}

func TestAnAuthorityIsNeverReplaced(t *testing.T) {
	c := config(t, "cb-1")
	prepared(t, c)
	if err := os.Remove(filepath.Join(c.AuthorityIn, authorityKey)); err != nil {
		t.Fatal(err)
	}
	before := contents(t, c.Dir)
	if err := Run(c, io.Discard); err == nil || !strings.Contains(err.Error(), "not replaced") {
		t.Errorf("got %v", err)
	}
	for name, content := range contents(t, c.Dir) {
		if before[name] != content {
			t.Errorf("%s has changed", name)
		}
	}
}

func TestAllFaultsAreSaid(t *testing.T) {
	c := config(t, "../x", "cb-1", "cb-1", "cb-2=a b", "ca", "secret", "")
	err := Run(c, io.Discard)
	if err == nil {
		t.Fatal("it was accepted")
	}
	for _, what := range []string{`"../x"`, "cb-1 is named twice", `"a b"`, `"ca"`, `"secret"`, `""`} {
		if !strings.Contains(err.Error(), what) {
			t.Errorf("%s is not in:\n%v", what, err)
		}
	}
	if _, err := os.Stat(c.Dir); err == nil {
		t.Error("something was made")
	}
}

// Two runs at once, as when a cluster is started twice, leave one authority.
func TestRunsAtOnceMakeOneAuthority(t *testing.T) {
	c := config(t, "cb-1", "cb-2")
	var runs errgroup.Group
	for range 8 {
		runs.Go(func() error { return Run(c, io.Discard) })
	}
	if err := runs.Wait(); err != nil {
		t.Fatal(err)
	}
	if out := prepared(t, c); strings.Contains(out, "made") {
		t.Errorf("something did not fit together:\n%s", out)
	}
}

func TestWhatIsNoKeyIsNotKeptForOne(t *testing.T) {
	c := config(t)
	prepared(t, c)
	file := filepath.Join(c.Dir, SecretKeyFile)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(c, io.Discard); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("got %v", err)
	}
}

func TestAGarbledKeyIsNotKeptForOne(t *testing.T) {
	c := config(t)
	prepared(t, c)
	file := filepath.Join(c.Dir, SecretKeyFile)
	if err := os.WriteFile(file, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(c, io.Discard); err == nil || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("got %v", err)
	}
}

// The key is written first: a run may end between it and its certificate.
func TestAnAuthorityThatWasBegunIsFinished(t *testing.T) {
	c := config(t)
	prepared(t, c)
	key := contents(t, c.AuthorityIn)[authorityKey]
	if err := os.Remove(filepath.Join(c.Dir, AuthorityFile)); err != nil {
		t.Fatal(err)
	}
	c.Parties = []string{"cb-1"}
	prepared(t, c)
	if contents(t, c.AuthorityIn)[authorityKey] != key {
		t.Error("its key was replaced")
	}
	before := contents(t, c.Dir)
	if out := prepared(t, c); strings.Contains(out, "made") {
		t.Errorf("what it made does not fit together:\n%s", out)
	}
	if err := os.Remove(filepath.Join(c.Dir, AuthorityFile)); err != nil {
		t.Fatal(err)
	}
	if err := Run(c, io.Discard); err == nil || contents(t, c.Dir)["cb-1.crt"] != before["cb-1.crt"] {
		t.Errorf("somebody trusts the certificate that is lost: %v", err)
	}
}
