package vsphere

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// sentence says a foreign error to a person; empty if it is one of the network,
// of which package provider speaks.
func sentence(err error) string {
	var (
		wrong  *notSOAP
		old    *errVersion
		busy   *unavailable
		decode xml.UnmarshalError
		cert   *tls.CertificateVerificationError
	)
	switch {
	case soap.IsSoapFault(root(err)):
		return faultSentence(soap.ToSoapFault(root(err)))
	case errors.As(err, &wrong):
		return fmt.Sprintf("What answers at the address is not the vSphere API: %s.", wrong.what)
	case errors.As(err, &decode):
		return "What answers at the address is not the vSphere API."
	case errors.As(err, &old):
		return strings.ToUpper(old.Error()[:1]) + old.Error()[1:] + "."
	case errors.As(err, &busy):
		return fmt.Sprintf("vSphere is not ready: it answers %s.", busy.status)
	case errors.Is(err, errThumbprint):
		return "The server's certificate is not the one with the given thumbprint: if the certificate was renewed, give the new one's."
	case errors.As(err, &cert):
		return certificateSentence(cert.Err)
	default:
		return ""
	}
}

// longestFault is how many bytes of what a server says of its fault are repeated.
const longestFault = 200

func faultSentence(f *soap.Fault) string {
	switch f.VimFault().(type) {
	case types.InvalidLogin:
		return "vSphere refused the user name or password."
	case types.PasswordExpired:
		return "The user's password has expired: set a new one in vSphere, then here."
	case types.NoPermission:
		return "vSphere does not let the user read the inventory: give it a role that may."
	case types.NotAuthenticated:
		return "vSphere has ended the session."
	}
	said := f.String
	if len(said) > longestFault {
		said = strings.ToValidUTF8(said[:longestFault], "") + "…"
	}
	return "vSphere refused the request: " + strings.TrimSuffix(said, ".") + "."
}

func certificateSentence(err error) string {
	var (
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("The certificate is not for the name %s: use a name that it is for as the address, or give thumbprint.", name.Host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "The certificate has expired, or is not valid yet: renew it, or check the clocks."
	case errors.As(err, &invalid):
		return "The certificate is not valid for a server: replace it, or give thumbprint."
	default:
		return "The certificate is signed by an authority that is not trusted; give caCertificate or thumbprint."
	}
}
