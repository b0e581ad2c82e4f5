package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/quorate/quorate/farm"
)

// Config is the settings of one server process. The tags give each its flag
// and, with the prefix QUORATE_, its environment variable.
type Config struct {
	Site     farm.SiteID   `help:"Site to join as a Connection Broker; it is created if it does not exist. Without --site and --broker the server answers the REST API and owns nothing." placeholder:"ID"`
	Broker   farm.BrokerID `help:"This Connection Broker's ID in the Site." placeholder:"ID"`
	Mode     farm.Mode     `help:"active or standby, for a broker that is new to the Site. By default a Site's first three brokers are active and later ones standby." placeholder:"MODE"`
	Priority int           `help:"Place in the Site's order, 0 first, for a broker that is new to the Site; below 0 it comes last." default:"${priority}"`

	Listen    string `help:"Address to listen on." default:"${listen}"`
	Advertise string `help:"Base URL at which people and other brokers reach this server. Default: made from --listen and the host name." placeholder:"URL"`
	TLSCert   string `name:"tls-cert" help:"Certificate file (PEM); with --tls-key the server speaks HTTPS." placeholder:"FILE"`
	TLSKey    string `name:"tls-key" help:"Key file of --tls-cert (PEM)." placeholder:"FILE"`

	StorageConfig `embed:""`
	EtcdElection  time.Duration `name:"etcd-election" help:"Election timeout that etcd's members run with; the takeover bounds are computed with it." default:"${etcd_election}"`

	LeaseTTL    time.Duration  `name:"lease-ttl" help:"Lease of the broker's presence: how long a broker that crashed counts as online. etcd may grant more." default:"${lease_ttl}"`
	Margin      *time.Duration `help:"How long before its lease can end a broker stops acting that cannot renew it. Default: a tenth of the lease, at least 200ms." placeholder:"DURATION"`
	StopTimeout time.Duration  `name:"stop-timeout" help:"Longest time that handing over may take when the server stops." default:"${stop_timeout}"`

	RootTokenFile string `name:"root-token-file" help:"File that holds the Farm's first API token. Without it the first start makes one and prints it once." placeholder:"FILE"`

	LogLevel  LogLevel `name:"log-level" help:"debug, info, warn or error." default:"${log_level}"`
	LogFormat string   `name:"log-format" help:"text or json." default:"${log_format}"`
}

// LogLevel is a level of the log, by its name.
type LogLevel slog.Level

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *LogLevel) UnmarshalText(text []byte) error {
	if err := (*slog.Level)(l).UnmarshalText(text); err != nil {
		return fmt.Errorf("must be debug, info, warn or error; it is %q", text)
	}
	return nil
}

// DefaultConfig returns the settings of a server that answers the REST API on
// port 8080 and finds etcd on its own machine.
func DefaultConfig() Config {
	return Config{
		Priority:      -1,
		Listen:        ":8080",
		StorageConfig: DefaultStorageConfig(),
		EtcdElection:  time.Second,
		LeaseTTL:      3 * time.Second,
		StopTimeout:   10 * time.Second,
		LogLevel:      LogLevel(slog.LevelInfo),
		LogFormat:     "text",
	}
}

// Vars are the defaults as the tags of Config name them.
func (c Config) Vars() map[string]string {
	return map[string]string{
		"priority":      fmt.Sprint(c.Priority),
		"listen":        c.Listen,
		"etcd":          strings.Join(c.Etcd, ","),
		"etcd_prefix":   c.EtcdPrefix,
		"etcd_election": c.EtcdElection.String(),
		"lease_ttl":     c.LeaseTTL.String(),
		"stop_timeout":  c.StopTimeout.String(),
		"log_level":     strings.ToLower(slog.Level(c.LogLevel).String()),
		"log_format":    c.LogFormat,
	}
}

const (
	minTTL   = time.Second
	maxTTL   = 10 * time.Minute
	maxElect = 50 * time.Second // etcd's own limit
)

// Validate reports everything that is wrong with the settings, each with the
// rule it breaks; nil if nothing is.
func (c Config) Validate() error {
	var f faults
	if (c.Site == "") != (c.Broker == "") {
		f.add("--site, --broker", "give both to run a Connection Broker, or neither for a server that only answers the REST API")
	}
	f.unless(c.Site == "" || farm.ValidID(string(c.Site)), "--site", idRule, c.Site)
	f.unless(c.Broker == "" || farm.ValidID(string(c.Broker)), "--broker", idRule, c.Broker)
	if c.Site == "" && c.Broker == "" {
		const brokers = "is a Connection Broker's: give --site and --broker too"
		f.unless(c.Mode == "", "--mode", brokers)
		f.unless(c.Priority < 0, "--priority", brokers)
	}
	switch c.Mode {
	case "", farm.ModeActive, farm.ModeStandby:
	default:
		f.add("--mode", "must be active or standby; it is %q", c.Mode)
	}

	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		f.add("--listen", "must be HOST:PORT or :PORT; it is %q", c.Listen)
	}
	if c.Advertise != "" {
		f.unless(isHTTP(c.Advertise), "--advertise", "must be a URL such as https://cb-1.example:8080; it is %q", c.Advertise)
	}
	f.unless(c.TLSCert == "" || !strings.HasPrefix(c.Advertise, "http://"), "--advertise", "must be https, since --tls-cert is given; it is %q", c.Advertise)
	f.pair("--tls-cert", c.TLSCert, "--tls-key", c.TLSKey)

	c.checkStorage(&f)
	f.unless(c.EtcdElection > 0 && c.EtcdElection <= maxElect, "--etcd-election", "must be above 0 and at most %v, as in etcd; it is %v", maxElect, c.EtcdElection)

	f.unless(c.LeaseTTL >= minTTL && c.LeaseTTL <= maxTTL, "--lease-ttl", "must be from %v to %v; it is %v", minTTL, maxTTL, c.LeaseTTL)
	if c.LeaseTTL >= minTTL && c.Margin != nil {
		least := farm.MinMargin(c.LeaseTTL)
		f.unless(*c.Margin >= least, "--margin", "must be at least %v (a tenth of --lease-ttl, and never less than 200ms): less is not safe; it is %v", least, *c.Margin)
		f.unless(*c.Margin <= c.LeaseTTL/2, "--margin", "must be at most half of --lease-ttl (%v), or too little of the lease is left to act in; it is %v", c.LeaseTTL, *c.Margin)
	}
	f.unless(c.StopTimeout > 0, "--stop-timeout", "must be above 0; it is %v", c.StopTimeout)

	switch c.LogFormat {
	case "text", "json":
	default:
		f.add("--log-format", "must be text or json; it is %q", c.LogFormat)
	}
	return f.err()
}

// PlainBehindHTTPS reports whether others are told to find this server by https,
// which it does not speak: right behind a proxy that speaks TLS for it, and else not.
func (c Config) PlainBehindHTTPS() bool {
	host, _, _ := net.SplitHostPort(c.Listen)
	behind := host == "localhost" || net.ParseIP(host).IsLoopback() // whoever speaks to it is on this machine
	return c.TLSCert == "" && !behind && strings.HasPrefix(c.Advertise, "https://")
}

// Timing is what the takeover bounds follow from. Its TTL is the one that etcd
// grants: whole seconds, and no less than one and a half election timeouts. Its
// margin is never less than is safe for that TTL, as in package broker.
func (c Config) Timing() farm.Timing {
	wholeSeconds := func(d time.Duration) time.Duration {
		return (d + time.Second - 1).Truncate(time.Second)
	}
	ttl := max(wholeSeconds(c.LeaseTTL), wholeSeconds(c.EtcdElection*3/2))
	return farm.Timing{TTL: ttl, Margin: max(c.margin(), farm.MinMargin(ttl)), Election: c.EtcdElection}
}

// margin is the one that was given, or the least that is safe.
func (c Config) margin() time.Duration {
	if c.Margin != nil {
		return *c.Margin
	}
	return farm.MinMargin(c.LeaseTTL)
}

// advertised is the base URL of a server that listens at addr.
func (c Config) advertised(addr net.Addr) string {
	if c.Advertise != "" {
		return strings.TrimRight(c.Advertise, "/")
	}
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
	}
	host, _, _ := net.SplitHostPort(c.Listen)
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "localhost"
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	_, port, _ := net.SplitHostPort(addr.String())
	return scheme + "://" + net.JoinHostPort(host, port)
}

const idRule = "must be 1 to 63 of a-z, 0-9 and -, with no - at either end; it is %q"

func isHTTP(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "" && u.Fragment == ""
}

// faults collects what is wrong, so that all of it is said at once.
type faults []error

func (f *faults) add(setting, rule string, args ...any) {
	*f = append(*f, fmt.Errorf("  %s %s", setting, fmt.Sprintf(rule, args...)))
}

func (f *faults) unless(ok bool, setting, rule string, args ...any) {
	if !ok {
		f.add(setting, rule, args...)
	}
}

func (f *faults) pair(a, valueA, b, valueB string) {
	f.unless((valueA == "") == (valueB == ""), a+", "+b, "must be given together")
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return fmt.Errorf("these settings cannot be used:\n%w", errors.Join(f...))
}
