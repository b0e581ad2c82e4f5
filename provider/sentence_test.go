package provider

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

func TestSentences(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close() // nobody listens there now
	_, refused := http.Get("https://" + l.Addr().String() + "/sdk")
	late, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	r, _ := http.NewRequestWithContext(late, "POST", "https://vc-1.example/sdk", nil)
	_, timeout := http.DefaultClient.Do(r)

	for _, c := range []struct {
		err  error
		want string
	}{
		{refused, "The connection to " + l.Addr().String() + " was refused."},
		{timeout, "vc-1.example:443 did not answer in time."},
		{&net.DNSError{Name: "vc-1.example", IsNotFound: true}, "There is no host of the name vc-1.example."},
		{context.DeadlineExceeded, "The server did not answer in time."},
		{io.ErrUnexpectedEOF, "The connection to the server broke off."},
		{ErrInvalidCredentials, "The user name or password was refused."},
		{Faults{{"/address", "is required"}}.Err(), "The settings are not valid: /address is required."},
		{WithSentence(io.EOF, "It is %s.", "so"), "It is so."},
	} {
		wrapped := fmt.Errorf("%w: ask for the version: %w", ErrConnectionFailed, c.err)
		if got := Sentence(wrapped); got != c.want {
			t.Errorf("%v: %q, want %q", wrapped, got, c.want)
		}
	}
}
