package vsphere

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/quorate/quorate/provider"
)

func TestAddressIsCompleted(t *testing.T) {
	cases := []struct{ name, in, want string }{
		{"a bare host", "vc.example.com", "https://vc.example.com/sdk"},
		{"a host and port", "vc.example.com:8443", "https://vc.example.com:8443/sdk"},
		{"an IPv6 host", "[2001:db8::1]", "https://[2001:db8::1]/sdk"},
		{"a URL without a path", "https://vc.example.com/", "https://vc.example.com/sdk"},
		{"a URL with a path stays", "https://vc.example.com/api/sdk", "https://vc.example.com/api/sdk"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e, err := endpointOf(provider.Target{Address: c.in, Username: "u"})
			if err != nil {
				t.Fatal(err)
			}
			if got := e.url.String(); got != c.want {
				t.Fatalf("%s is completed to %s, want %s", c.in, got, c.want)
			}
		})
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	good := func() provider.Target { return provider.Target{Address: "vc", Username: "u"} }
	cases := []struct {
		name string
		spec func(*provider.Target)
		want string
	}{
		{"no address", func(t *provider.Target) { t.Address = "" }, "address: a host name or URL is needed"},
		{"no user", func(t *provider.Target) { t.Username = "" }, "username: a user name is needed"},
		{"plain HTTP", func(t *provider.Target) { t.Address = "http://vc/sdk" }, "must be https"},
		{"no host", func(t *provider.Target) { t.Address = "https:///sdk" }, "the host is missing"},
		{"a query", func(t *provider.Target) { t.Address = "https://vc/sdk?x=1" }, "no meaning"},
		{"a password in the address", func(t *provider.Target) { t.Address = "https://u:hidden@vc/sdk" }, "their own fields"},
		{"not a URL", func(t *provider.Target) { t.Address = "https://u:hidden@vc:x/" }, "not a URL"},
		{"not PEM", func(t *provider.Target) { t.Options = json.RawMessage(`{"caCertificate":"x"}`) }, "no certificate in PEM form"},
		{"a short thumbprint", func(t *provider.Target) { t.Options = json.RawMessage(`{"thumbprint":"AB:CD"}`) }, "thumbprint must be"},
		{"two ways to trust", func(t *provider.Target) {
			t.Options = json.RawMessage(`{"insecureSkipVerify":true,"thumbprint":"` + strings.Repeat("AB", 32) + `"}`)
		}, "give only one of"},
		{"all faults at once", func(t *provider.Target) { *t = provider.Target{} }, "username: a user name is needed"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			target := good()
			c.spec(&target)
			err := Driver{}.Check(target)
			if !errors.Is(err, provider.ErrInvalidOptions) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("check says %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "hidden") {
				t.Fatalf("the password is in the error: %v", err)
			}
		})
	}
	if err := (Driver{}).Check(good()); err != nil {
		t.Fatalf("a good target: %v", err)
	}
}

func TestVersionsAreComparedNumberByNumber(t *testing.T) {
	for version, want := range map[string]bool{
		"6.5": true, "6.5.0.1": true, "6.7": true, "7.0": true, "8.0.3.0": true, "10.0": true,
		"6.0": false, "6": false, "5.5": false, "": false, "x": false,
	} {
		if got := atLeast(version, "6.5"); got != want {
			t.Errorf("%q is at least 6.5: %v, want %v", version, got, want)
		}
	}
}
