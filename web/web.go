// Package web is what a person's browser gets at "/".
package web

import (
	_ "embed"
	"net/http"
)

//go:embed index.html
var page []byte

const missing = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Quorate: not found</title></head>
<body><p>There is nothing here. <a href="/">This server's page</a> says what there is.</p></body></html>
`

// Handler serves the page at "/", and at every other path that there is none.
// It is the same for everybody and needs no token.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, text := http.StatusOK, page
		if r.URL.Path != "/" {
			status, text = http.StatusNotFound, []byte(missing)
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		w.WriteHeader(status)
		_, _ = w.Write(text) // the browser has gone away; there is nobody to tell
	})
}
