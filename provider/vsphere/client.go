package vsphere

import (
	"context"
	"fmt"
	"mime"
	"net"
	"net/http"
	"time"

	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"

	"github.com/quorate/quorate/provider"
)

// oldestVersion of the API that is spoken to, and the version that is spoken:
// later servers understand it, and all that is asked for here is in it. To a
// server that is older than the version asked for, the stock client's newest
// one is an error.
const oldestVersion = "6.5"

// client is one API session's HTTP client.
type client = soap.Client

// newClient changes the stock client where it would keep things running: its
// own TLS dialler heeds no context.
func newClient(e endpoint) *client {
	c := soap.NewClient(e.url, false)
	c.Namespace = "urn:" + vim25.Namespace
	c.Version = oldestVersion
	c.UserAgent = "quorate"

	t := c.DefaultTransport()
	t.Proxy = nil
	t.TLSClientConfig = e.tls
	t.DialTLSContext = nil
	dialer := &net.Dialer{KeepAlive: 5 * time.Second}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return provider.GuardConn(ctx, c), nil
	}
	c.Transport = onlySOAP{t}
	return c
}

// notSOAP is an answer that no vSphere API gives.
type notSOAP struct{ what string }

func (e *notSOAP) Error() string { return "not the vSphere API: " + e.what }

// unavailable is an answer of a server that may be vSphere's but is not ready.
type unavailable struct{ status string }

func (e *unavailable) Error() string { return "the server answers " + e.status }

// onlySOAP lets only answers through that may be SOAP. A redirect is none: it
// would take the password to wherever it says. No request begins that is not
// allowed any more.
type onlySOAP struct{ next *http.Transport }

func (o onlySOAP) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := provider.Allowed(r.Context()); err != nil {
		return nil, err
	}
	res, err := o.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if err := soapFault(res); err != nil {
		_ = res.Body.Close()
		return nil, err
	}
	return res, nil
}

func (o onlySOAP) CloseIdleConnections() { o.next.CloseIdleConnections() }

func soapFault(res *http.Response) error {
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch {
	case kind == "text/xml" && (res.StatusCode == http.StatusOK || res.StatusCode == http.StatusInternalServerError):
		return nil
	case res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests:
		return &unavailable{res.Status}
	default:
		return &notSOAP{fmt.Sprintf("it answers %s with content type %q", res.Status, kind)}
	}
}
