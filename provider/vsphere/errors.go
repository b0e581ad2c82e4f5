package vsphere

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"

	"github.com/quorate/quorate/provider"
)

// translate makes a foreign error one of package provider's. ctx is what the
// caller gave: if it has ended, that is the error.
func translate(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("%w: %w (%w)", provider.ErrTimeout, ctx.Err(), err)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	translated := fmt.Errorf("%w: %w", kindOf(err), err)
	if said := sentence(err); said != "" {
		return provider.WithSentence(translated, "%s", said)
	}
	return translated
}

func kindOf(err error) error {
	var (
		wrong   *notSOAP
		old     *errVersion
		cert    *tls.CertificateVerificationError
		decode  xml.UnmarshalError
		network net.Error
	)
	switch {
	case soap.IsSoapFault(root(err)):
		return kindOfFault(soap.ToSoapFault(root(err)).VimFault())
	case errors.As(err, &wrong), errors.As(err, &old), errors.As(err, &decode):
		return provider.ErrUnsupportedVersion
	case errors.As(err, &cert), errors.Is(err, errThumbprint):
		return provider.ErrCertificateUntrusted
	case errors.As(err, &network) && network.Timeout():
		return provider.ErrTimeout
	default:
		return provider.ErrConnectionFailed
	}
}

// root is the innermost error of a chain: soap looks at nothing else.
func root(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

func kindOfFault(fault types.AnyType) error {
	switch fault.(type) {
	case types.InvalidLogin, types.PasswordExpired, types.NoPermission:
		return provider.ErrInvalidCredentials
	case types.InvalidRequest, types.MethodNotFound, types.NotSupported, types.NotImplemented:
		return provider.ErrUnsupportedVersion
	default:
		// NotAuthenticated and RequestCanceled among them: the session is over.
		return provider.ErrConnectionFailed
	}
}

// errVersion: the server is vSphere's, but too old or of another kind.
type errVersion struct{ about types.AboutInfo }

func (e *errVersion) Error() string {
	return fmt.Sprintf("the server has API version %s of %s; %s of vCenter or ESXi is the oldest that is supported",
		e.about.ApiVersion, e.about.FullName, oldestVersion)
}

// supported reports by an error that the server is not one to connect to.
func supported(c types.ServiceContent) error {
	kind := c.About.ApiType == "VirtualCenter" || c.About.ApiType == "HostAgent"
	if !kind || c.SessionManager == nil || c.ViewManager == nil || !atLeast(c.About.ApiVersion, oldestVersion) {
		return &errVersion{c.About}
	}
	return nil
}

// atLeast compares dotted versions number by number.
func atLeast(version, oldest string) bool {
	have, want := strings.Split(version, "."), strings.Split(oldest, ".")
	for i, w := range want {
		var h string
		if i < len(have) {
			h = have[i]
		}
		a, _ := strconv.Atoi(h)
		b, _ := strconv.Atoi(w)
		if a != b {
			return a > b
		}
	}
	return true
}
