package server

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
)

// Whoever has connected before the server was told to stop is answered, though
// the request comes after that.
func TestWhoHasConnectedIsAnswered(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	served := make(chan error, 1)
	go func() { served <- serveHTTP(ctx, s, ln) }()

	dial := func() (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) }
	ask := func(c net.Conn) {
		t.Helper()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: quorate\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "hello" {
			t.Fatalf("%q, %v", body, err)
		}
		_ = answer.Body.Close()
	}
	early, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = early.Close() }()
	next, err := dial() // when it is answered, the earlier one has been accepted
	if err != nil {
		t.Fatal(err)
	}
	ask(next)
	_ = next.Close()

	stop()
	for { // until no new connection is taken
		c, err := dial()
		if err != nil {
			break
		}
		_ = c.Close()
	}
	ask(early)
	if err := <-served; err != nil {
		t.Error(err)
	}
}
