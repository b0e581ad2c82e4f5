package etcd

import (
	"net/url"
	"strings"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// Kinds of keys. All but tokens are kind/site or kind/site/name.
const (
	kindSite        = "sites"
	kindBroker      = "brokers"
	kindProvider    = "providers"
	kindSecret      = "secrets"
	kindPresence    = "presence"
	kindCoordinator = "coordinator"
	kindSeats       = "seats"
	kindOwner       = "owners"
	kindReport      = "status"
	kindHost        = "hosts"
	kindEvent       = "events"
	kindTask        = "tasks"
	kindToken       = "tokens"
	kindEpochs      = "epochs" // of the whole Farm: the key is the kind
)

// kindsOne lists the kinds with one key a Site, kindsMany those with many.
func kindsOne() []string { return []string{kindSite, kindCoordinator, kindSeats} }
func kindsMany() []string {
	return []string{
		kindBroker, kindProvider, kindSecret, kindPresence, kindOwner, kindReport, kindHost, kindEvent, kindTask,
	}
}

// keys makes the keys under one prefix.
type keys struct{ prefix string }

func (k keys) format() string                        { return k.prefix + "format" }
func (k keys) farm() string                          { return k.prefix + "farm" }
func (k keys) epochs() string                        { return k.prefix + kindEpochs }
func (k keys) proof() string                         { return k.prefix + "secret-key" }
func (k keys) tokens() string                        { return k.prefix + kindToken + "/" }
func (k keys) token(h store.TokenHash) string        { return k.tokens() + url.PathEscape(string(h)) }
func (k keys) one(kind string, s farm.SiteID) string { return k.prefix + kind + "/" + string(s) }

// all is the prefix of a Site's keys of a kind.
func (k keys) all(kind string, s farm.SiteID) string { return k.one(kind, s) + "/" }

func (k keys) site(s farm.SiteID) string        { return k.one(kindSite, s) }
func (k keys) seats(s farm.SiteID) string       { return k.one(kindSeats, s) }
func (k keys) coordinator(s farm.SiteID) string { return k.one(kindCoordinator, s) }

func (k keys) broker(s farm.SiteID, b farm.BrokerID) string {
	return k.all(kindBroker, s) + string(b)
}

func (k keys) presence(s farm.SiteID, b farm.BrokerID) string {
	return k.all(kindPresence, s) + string(b)
}

func (k keys) provider(s farm.SiteID, p farm.ProviderID) string {
	return k.all(kindProvider, s) + string(p)
}

func (k keys) secret(s farm.SiteID, p farm.ProviderID) string {
	return k.all(kindSecret, s) + string(p)
}

func (k keys) owner(s farm.SiteID, p farm.ProviderID) string {
	return k.all(kindOwner, s) + string(p)
}

func (k keys) report(s farm.SiteID, p farm.ProviderID) string {
	return k.all(kindReport, s) + string(p)
}

func (k keys) hosts(s farm.SiteID, p farm.ProviderID) string {
	return k.all(kindHost, s) + string(p) + "/"
}

func (k keys) host(s farm.SiteID, p farm.ProviderID, h farm.HostID) string {
	return k.hosts(s, p) + url.PathEscape(string(h))
}

func (k keys) event(s farm.SiteID, id string) string { return k.all(kindEvent, s) + id }

// parsed is what a key says.
type parsed struct {
	kind string
	site farm.SiteID
	name string // empty for the kinds with one key a Site
	host farm.HostID
}

// parse reads a key; ok is false for one that is none of ours.
func (k keys) parse(key string) (p parsed, ok bool) {
	rest, under := strings.CutPrefix(key, k.prefix)
	if !under {
		return parsed{}, false
	}
	if rest == kindEpochs {
		return parsed{kind: kindEpochs}, true
	}
	kind, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return parsed{}, false
	}
	p.kind = kind
	if kind == kindToken {
		name, err := url.PathUnescape(rest)
		p.name = name
		return p, err == nil
	}
	site, rest, _ := strings.Cut(rest, "/")
	p.site = farm.SiteID(site)
	p.name = rest
	if kind == kindHost {
		name, host, _ := strings.Cut(rest, "/")
		id, err := url.PathUnescape(host)
		if err != nil {
			return parsed{}, false
		}
		p.name, p.host = name, farm.HostID(id)
	}
	return p, p.named()
}

// named: a key whose parts the API would not take as names was written by nobody
// of ours, and what lies there could not be named in any call.
func (p parsed) named() bool {
	if !farm.ValidID(string(p.site)) {
		return false
	}
	switch p.kind {
	case kindSite, kindSeats, kindCoordinator:
		return p.name == ""
	case kindBroker, kindProvider, kindSecret, kindPresence, kindOwner, kindReport, kindHost:
		return farm.ValidID(p.name)
	}
	return true
}
