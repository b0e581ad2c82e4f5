package server

import (
	"net"
	"strings"
	"testing"
	"time"
)

func TestTheDefaultsAreValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestASettingThatCannotBeUsedIsRefusedWithItsRule(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		says   string // "" : it is fine
	}{
		"a broker without a Site":          {func(c *Config) { c.Broker = "cb-1" }, "--site, --broker give both"},
		"a Site without a broker":          {func(c *Config) { c.Site = "hq" }, "--site, --broker give both"},
		"both":                             {func(c *Config) { c.Site, c.Broker = "hq", "cb-1" }, ""},
		"an ID with a capital":             {func(c *Config) { c.Site, c.Broker = "HQ", "cb-1" }, `--site must be 1 to 63 of a-z, 0-9 and -`},
		"an ID that ends in a hyphen":      {func(c *Config) { c.Site, c.Broker = "hq", "cb-" }, `--broker must be`},
		"a mode that is none":              {func(c *Config) { c.Mode = "primary" }, `--mode must be active or standby; it is "primary"`},
		"an address without a port":        {func(c *Config) { c.Listen = "localhost" }, "--listen must be HOST:PORT"},
		"an advertised host without a URL": {func(c *Config) { c.Advertise = "cb-1:8080" }, "--advertise must be a URL"},
		"a certificate without its key":    {func(c *Config) { c.TLSCert = "c.pem" }, "--tls-cert, --tls-key must be given together"},
		"no etcd":                          {func(c *Config) { c.Etcd = nil }, "--etcd needs at least one URL"},
		"an etcd address without a scheme": {func(c *Config) { c.Etcd = []string{"10.0.0.1:2379"} }, "--etcd must be URLs"},
		"an etcd key without certificate":  {func(c *Config) { c.EtcdKey = "k.pem" }, "--etcd-cert, --etcd-key must be given together"},
		"an etcd CA without TLS":           {func(c *Config) { c.EtcdCA = "ca.pem" }, "--etcd-ca is for TLS: --etcd must be https"},
		"an etcd certificate without TLS":  {func(c *Config) { c.EtcdCert, c.EtcdKey = "c.pem", "k.pem" }, "--etcd-cert is for TLS: --etcd must be https"},
		"an etcd CA with TLS":              {func(c *Config) { c.EtcdCA, c.Etcd = "ca.pem", []string{"https://a:2379"} }, ""},
		"etcd over TLS here and not there": {func(c *Config) { c.Etcd = []string{"https://a:2379", "http://b:2379"} }, "--etcd must be https for all or for none"},
		"an advertised URL without TLS":    {func(c *Config) { c.TLSCert, c.TLSKey, c.Advertise = "c.pem", "k.pem", "http://a:1" }, "--advertise must be https"},
		"a prefix without a slash":         {func(c *Config) { c.EtcdPrefix = "quorate" }, "--etcd-prefix must begin and end with a slash"},
		"a lease that etcd cannot keep":    {func(c *Config) { c.LeaseTTL = 900 * time.Millisecond }, "--lease-ttl must be from 1s"},
		"a mode without a broker":          {func(c *Config) { c.Mode = "standby" }, "--mode is a Connection Broker's: give --site and --broker too"},
		"a priority without a broker":      {func(c *Config) { c.Priority = 0 }, "--priority is a Connection Broker's"},
		"no margin at all":                 {func(c *Config) { c.Margin = new(time.Duration) }, "--margin must be at least 300ms"},
		"a margin below 0":                 {func(c *Config) { c.Margin = new(-time.Second) }, "--margin must be at least 300ms"},
		"a margin below 200ms":             {func(c *Config) { c.Margin = new(199 * time.Millisecond) }, "--margin must be at least 300ms"},
		"a margin below a tenth":           {func(c *Config) { c.LeaseTTL, c.Margin = 30*time.Second, new(2*time.Second) }, "--margin must be at least 3s"},
		"a margin above half of the lease": {func(c *Config) { c.Margin = new(1501 * time.Millisecond) }, "--margin must be at most half"},
		"a margin of half of the lease":    {func(c *Config) { c.Margin = new(1500 * time.Millisecond) }, ""},
		"no time to stop in":               {func(c *Config) { c.StopTimeout = 0 }, "--stop-timeout must be above 0"},
		"an unknown log format":            {func(c *Config) { c.LogFormat = "xml" }, "--log-format must be text or json"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := DefaultConfig()
			c.change(&cfg)
			err := cfg.Validate()
			switch {
			case c.says == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("want %q, got %v", c.says, err)
			}
		})
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	cfg := Config{Broker: "cb-1", Mode: "x", Listen: "x", TLSKey: "x", LogFormat: "x"}
	err := cfg.Validate()
	if err == nil {
		t.Fatal("it was accepted")
	}
	for _, setting := range []string{"--site", "--mode", "--listen", "--tls-cert", "--etcd", "--etcd-prefix", "--etcd-election", "--lease-ttl", "--stop-timeout", "--log-format"} {
		if !strings.Contains(err.Error(), "\n  "+setting) {
			t.Errorf("%s is not mentioned in:\n%v", setting, err)
		}
	}
}

func TestTheBoundIsComputedWithTheLeaseThatEtcdGrants(t *testing.T) {
	for _, c := range []struct{ ask, election, granted time.Duration }{
		{3 * time.Second, time.Second, 3 * time.Second},
		{time.Second, time.Second, 2 * time.Second},            // 1.5 elections, in whole seconds
		{time.Second, 500 * time.Millisecond, time.Second},     // 0.75 s
		{1500 * time.Millisecond, 500 * time.Millisecond, 2e9}, // etcd counts in seconds
	} {
		cfg := DefaultConfig()
		cfg.LeaseTTL, cfg.EtcdElection = c.ask, c.election
		if got := cfg.Timing().TTL; got != c.granted {
			t.Errorf("asked for %v with elections of %v: %v, want %v", c.ask, c.election, got, c.granted)
		}
		if got, want := cfg.Timing().Bounds().BrokerLost, c.granted+time.Second; got != want {
			t.Errorf("bound %v, want %v", got, want)
		}
	}
}

func TestWhatIsAdvertisedFollowsFromWhatIsListenedOn(t *testing.T) {
	at := &net.TCPAddr{IP: net.IPv4zero, Port: 4321}
	for _, c := range []struct {
		listen, advertise, cert string
		want                    string // a suffix
	}{
		{listen: "10.1.2.3:0", want: "http://10.1.2.3:4321"},
		{listen: "[::1]:0", want: "http://[::1]:4321"},
		{listen: ":0", want: ":4321"},
		{listen: "cb-1.example:0", cert: "c.pem", want: "https://cb-1.example:4321"},
		{listen: ":0", advertise: "https://cb-1.example/", want: "https://cb-1.example"},
	} {
		cfg := Config{Listen: c.listen, Advertise: c.advertise, TLSCert: c.cert}
		got := cfg.advertised(at)
		if !strings.HasSuffix(got, c.want) || !isHTTP(got) {
			t.Errorf("%+v: %s", c, got)
		}
		if strings.Contains(got, "0.0.0.0") || strings.Contains(got, "//:") {
			t.Errorf("%+v: %s is no address for others", c, got)
		}
	}
}

func TestPlainHTTPBehindAnAddressOfHTTPSIsNoticed(t *testing.T) {
	for _, c := range []struct {
		listen, advertise, cert string
		want                    bool
	}{
		{":8080", "https://cb-1.example:8080", "", true},
		{"10.0.0.1:8080", "https://10.0.0.1:8080", "", true},
		{":8080", "https://cb-1.example:8080", "cb-1.crt", false},
		{"127.0.0.1:8080", "https://cb-1.example", "", false}, // a proxy on this machine
		{"localhost:8080", "https://cb-1.example", "", false},
		{":8080", "http://cb-1.example:8080", "", false},
		{":8080", "", "", false},
	} {
		cfg := DefaultConfig()
		cfg.Listen, cfg.Advertise, cfg.TLSCert = c.listen, c.advertise, c.cert
		if got := cfg.PlainBehindHTTPS(); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
