package handlers

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// takeBody reads the body of a request that may have one, before the request's
// time for storage begins: a slow client is no fault of storage. The body has
// its own time, which ends with it: the connection's reading is watched on to
// notice that the client goes.
func (a *API) takeBody(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
	default:
		if r.ContentLength != 0 {
			hangUp(w, r)
		}
		return nil
	}
	to := http.NewResponseController(w)
	_ = to.SetReadDeadline(time.Now().Add(a.BodyTimeout)) // not every connection has deadlines
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, a.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		hangUp(w, r)
		return problem("request-timeout", "The body did not come within %s. Send all of it at once.", a.BodyTimeout)
	case err != nil:
		return problem("malformed", "The body ended early. Send all of it.")
	}
	_ = to.SetReadDeadline(time.Time{})
	r.Body = io.NopCloser(bytes.NewReader(raw))
	return nil
}

// hangUp ends the connection with the answer. The rest of the body may still
// come, or never: without this, HTTP/1 would wait for it before it answers. On
// HTTP/2 a body concerns its own stream only, and the connection has others.
func hangUp(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}
