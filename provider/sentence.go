package provider

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"syscall"
)

// WithSentence returns err with what Sentence says of it. Nothing else changes:
// the error itself is for the log.
func WithSentence(err error, sentence string, args ...any) error {
	return &withSentence{err, fmt.Sprintf(sentence, args...)}
}

type withSentence struct {
	error
	sentence string
}

func (e *withSentence) Unwrap() error { return e.error }

// Sentence says to a person why no connection could be made or kept. Where the
// error brings no sentence of its own it is about the network, or about what the
// error's sentinel says.
func Sentence(err error) string {
	var own *withSentence
	switch {
	case errors.As(err, &own):
		return own.sentence
	case errors.Is(err, ErrInvalidCredentials):
		return "The user name or password was refused."
	case errors.Is(err, ErrCertificateUntrusted):
		return "The server's certificate is not trusted."
	case errors.Is(err, ErrUnsupportedVersion):
		return "The server is of a version or kind that is not supported."
	case errors.Is(err, ErrInvalidOptions):
		return "The settings do not fit the Provider's type."
	default:
		return networkSentence(err)
	}
}

func networkSentence(err error) string {
	var (
		name    *net.DNSError
		noTLS   tls.RecordHeaderError
		network net.Error
	)
	with := addressIn(err)
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return fmt.Sprintf("There is no host of the name %s.", name.Name)
	case errors.As(err, &name):
		return fmt.Sprintf("The name %s cannot be looked up: the name server does not answer.", name.Name)
	case errors.Is(err, ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return with + " did not answer in time."
	case errors.Is(err, syscall.ECONNREFUSED):
		return "The connection to " + lower(with) + " was refused."
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "There is no route to " + lower(with) + "."
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "The connection to " + lower(with) + " broke off."
	case errors.As(err, &noTLS):
		return with + " does not speak TLS."
	default:
		return "The connection to " + lower(with) + " failed."
	}
}

const nobody = "The server"

// addressIn is where the request that failed went to, as the settings name it if
// that is known.
func addressIn(err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		if u, wrong := url.Parse(request.URL); wrong == nil && u.Hostname() != "" {
			if u.Port() == "" && u.Scheme == "https" {
				return net.JoinHostPort(u.Hostname(), "443")
			}
			return u.Host
		}
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Addr != nil {
		return op.Addr.String()
	}
	return nobody
}

// lower is where a request went, within a sentence.
func lower(with string) string {
	if with == nobody {
		return "the server"
	}
	return with
}
