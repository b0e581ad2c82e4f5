package doctor

import (
	"crypto/x509"
	"os"
	"strings"
)

// settings are judged as serve does. --site alone is no fault here: it chooses
// what to look at.
func (v *visit) settings() Finding {
	cfg := v.Config.Config
	if cfg.Broker == "" {
		cfg.Site = ""
	}
	if err := cfg.Validate(); err != nil {
		rules := strings.TrimPrefix(err.Error(), "these settings cannot be used:\n")
		return failed("settings", strings.ReplaceAll(strings.TrimSpace(rules), "\n  ", "\n"),
			"Change the flags, or the variables QUORATE_… in the environment file.")
	}
	if cfg.Site != "" {
		return fine("settings", "A server with them is broker "+string(cfg.Broker)+" of Site "+string(cfg.Site)+".")
	}
	return fine("settings", "A server with them answers the REST API and owns nothing.")
}

// advertised warns of a server that others are told to find by a protocol that it
// does not speak.
func (v *visit) advertised() Finding {
	if !v.PlainBehindHTTPS() {
		return Finding{}
	}
	return warned("--advertise", "It is https and --tls-cert is not given: the server speaks plain HTTP, in which tokens and passwords can be read on the way. That is right only behind a proxy that speaks TLS for it.",
		"Give --tls-cert and --tls-key; behind such a proxy, --listen where nobody but the proxy can reach it.")
}

// authority reads --ca.
func (v *visit) authority() Finding {
	if v.CA == "" {
		return Finding{}
	}
	pem, err := os.ReadFile(v.CA)
	if err != nil {
		return unread("--ca", v.CA, err)
	}
	v.roots = x509.NewCertPool()
	if !v.roots.AppendCertsFromPEM(pem) {
		v.roots = nil
		return failed("--ca", v.CA+" holds no certificate.", "Name the file with the certificate of the authority that signed the servers' certificates.")
	}
	return Finding{}
}
