package vsphere_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/quorate/quorate/provider"
	"github.com/quorate/quorate/provider/vsphere"
)

const envelope = `<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>%s</soapenv:Body></soapenv:Envelope>`

func version(api, v string) string {
	return fmt.Sprintf(envelope, `<RetrieveServiceContentResponse xmlns="urn:vim25"><returnval>
		<rootFolder type="Folder">group-d1</rootFolder><propertyCollector type="PropertyCollector">pc</propertyCollector>
		<viewManager type="ViewManager">vm</viewManager><sessionManager type="SessionManager">sm</sessionManager>
		<about><name>X</name><fullName>X</fullName><vendor>X</vendor><version>1</version><build>1</build><osType>x</osType>
		<productLineId>x</productLineId><apiType>`+api+`</apiType><apiVersion>`+v+`</apiVersion></about>
		</returnval></RetrieveServiceContentResponse>`)
}

func fault(kind string) string {
	return fmt.Sprintf(envelope, `<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>no</faultstring>
		<detail><F xmlns="urn:vim25" xsi:type="`+kind+`"/></detail></soapenv:Fault>`)
}

// Servers that are not a vSphere of today, and what a Driver makes of them.
func TestStrangers(t *testing.T) {
	cases := []struct {
		name    string
		status  int
		content string
		body    string
		want    error
	}{
		{"a web site", 200, "text/html", "<html>", provider.ErrUnsupportedVersion},
		{"a web site without such a page", 404, "text/html", "<html>", provider.ErrUnsupportedVersion},
		{"a redirect", 302, "text/html", "", provider.ErrUnsupportedVersion},
		{"another XML", 200, "text/xml", "<a/>", provider.ErrUnsupportedVersion},
		{"half an answer", 200, "text/xml", version("VirtualCenter", "8.0")[:300], provider.ErrConnectionFailed},
		{"a vCenter that is starting", 503, "text/plain", "wait", provider.ErrConnectionFailed},
		{"a vCenter that is too old", 200, "text/xml", version("VirtualCenter", "6.0"), provider.ErrUnsupportedVersion},
		{"a vCenter that is older still", 500, "text/xml", fault("InvalidRequest"), provider.ErrUnsupportedVersion},
		{"another product with such an API", 200, "text/xml", version("Else", "8.0"), provider.ErrUnsupportedVersion},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var sent strings.Builder
			var calls atomic.Int32
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				_, _ = io.Copy(&sent, r.Body)
				w.Header().Set("Content-Type", c.content)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			options, _ := json.Marshal(map[string]bool{"insecureSkipVerify": true})
			conn, err := vsphere.Driver{}.Connect(t.Context(), provider.Target{
				Address: server.URL, Username: "u", Secret: "the-password", Options: options,
			})
			if conn != nil || !errors.Is(err, c.want) {
				t.Fatalf("connect says %v, %v, want %v", conn, err, c.want)
			}
			if strings.Contains(sent.String(), "the-password") {
				t.Fatal("a stranger was told the password")
			}
			if calls.Load() != 1 {
				t.Fatalf("a stranger was called %d times", calls.Load())
			}
		})
	}
}
