package vsphere

import (
	"encoding/json"
	"regexp"
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
			e, faults := endpointOf(provider.Target{Address: c.in, Username: "u"})
			if len(faults) > 0 {
				t.Fatal(faults)
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
		{"no address", func(t *provider.Target) { t.Address = "" }, "/address is required"},
		{"no user", func(t *provider.Target) { t.Username = "" }, "/credentials/username is required"},
		{"plain HTTP", func(t *provider.Target) { t.Address = "http://vc/sdk" }, "/address must begin with https"},
		{"no host", func(t *provider.Target) { t.Address = "https:///sdk" }, "/address must have a host"},
		{"a query", func(t *provider.Target) { t.Address = "https://vc/sdk?x=1" }, "/address must not have a query"},
		{"a password in the address", func(t *provider.Target) { t.Address = "https://u:hidden@vc/sdk" }, "/address must not hold a user name"},
		{"not a URL", func(t *provider.Target) { t.Address = "https://u:hidden@vc:x/" }, "/address must be a host name or URL"},
		{"not PEM", func(t *provider.Target) { t.Options = json.RawMessage(`{"caCertificate":"x"}`) }, "/options/caCertificate must hold certificates"},
		{"a short thumbprint", func(t *provider.Target) { t.Options = json.RawMessage(`{"thumbprint":"AB:CD"}`) }, "/options/thumbprint must be"},
		{"a thumbprint of colons", func(t *provider.Target) {
			t.Options = json.RawMessage(`{"thumbprint":"` + strings.Repeat("AB", 32) + strings.Repeat(":", 1000) + `"}`)
		}, "/options/thumbprint must be"},
		{"two ways to trust", func(t *provider.Target) {
			t.Options = json.RawMessage(`{"insecureSkipVerify":true,"thumbprint":"` + strings.Repeat("AB", 32) + `"}`)
		}, "/options must have only one of"},
		{"an unknown option", func(t *provider.Target) { t.Options = json.RawMessage(`{"secretx":1}`) }, "/options/secretx is not an option"},
		{"all faults at once", func(t *provider.Target) {
			*t = provider.Target{Options: json.RawMessage(`{"thumbprint":1}`)}
		}, "/address is required: a host name or URL, such as https://vcenter.example.com/sdk; /credentials/username is required to log in; /options/thumbprint must be text"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			target := good()
			c.spec(&target)
			err := Driver{}.Check(target).Err()
			if err == nil || !strings.Contains(err.Error(), ": "+c.want) {
				t.Fatalf("check says %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "hidden") {
				t.Fatalf("the password is in the error: %v", err)
			}
		})
	}
	if faults := (Driver{}).Check(good()); len(faults) > 0 {
		t.Fatalf("a good target: %q", faults)
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

// The schema and the driver take the same thumbprints.
func TestTheSchemaKnowsThumbprints(t *testing.T) {
	var s struct {
		Properties map[string]struct{ Pattern string }
	}
	if err := json.Unmarshal([]byte(schema), &s); err != nil {
		t.Fatal(err)
	}
	pattern := regexp.MustCompile(s.Properties["thumbprint"].Pattern)
	for thumbprint, good := range map[string]bool{
		strings.Repeat("aB", 20):         true,
		strings.Repeat("AB:", 19) + "CD": true,
		strings.Repeat("aB", 32):         true,
		strings.Repeat("AB:", 31) + "CD": true,
		strings.Repeat("AB", 19):         false,
		strings.Repeat("AB", 21):         false,
		strings.Repeat("AB", 31):         false,
		strings.Repeat("AB", 33):         false,
		strings.Repeat("AB", 19) + "xy":  false,
	} {
		if pattern.MatchString(thumbprint) != good {
			t.Errorf("the schema says %t of %s", !good, thumbprint)
		}
		options, _ := json.Marshal(options{Thumbprint: thumbprint})
		faults := Driver{}.Check(provider.Target{Address: "vc", Username: "u", Options: options})
		if (len(faults) == 0) != good {
			t.Errorf("the driver says %v of %s", faults, thumbprint)
		}
	}
}
