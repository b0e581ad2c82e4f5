// Package openapi holds the OpenAPI document of the REST API and the Swagger UI
// that shows it. The document is generated from the comments in package
// handlers by ./gen; a test there keeps it current.
package openapi

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	swagger "github.com/swaggo/files/v2"
)

var (
	//go:embed openapi.json
	documentJSON []byte
	//go:embed openapi.yaml
	documentYAML []byte
)

// JSON is the OpenAPI document.
func JSON() []byte { return documentJSON }

// YAML is the OpenAPI document.
func YAML() []byte { return documentYAML }

// Handler serves the document: /openapi.json, and /openapi.yaml as YAML.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/openapi.json", file("application/json", documentJSON))
	mux.Handle("/openapi.yaml", file("application/yaml", documentYAML))
	return mux
}

// file serves one immutable text.
func file(kind string, text []byte) http.Handler {
	sum := sha256.Sum256(text)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("ETag", tag)
		h.Set("Cache-Control", "no-cache")
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.Set("Content-Length", fmt.Sprint(len(text)))
		_, _ = w.Write(text) // the client is gone if this fails
	})
}

// page is the Swagger UI's page. It names nothing outside this server.
const page = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Quorate REST API</title>
<link rel="stylesheet" href="swagger-ui.css">
<link rel="stylesheet" href="index.css">
<link rel="icon" type="image/png" href="favicon-32x32.png" sizes="32x32">
</head>
<body>
<div id="swagger-ui"></div>
<script src="swagger-ui-bundle.js"></script>
<script src="swagger-initializer.js"></script>
</body>
</html>
`

const initializer = `window.onload = function () {
  window.ui = SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    persistAuthorization: true,
    tryItOutEnabled: true,
    displayRequestDuration: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
  });
};
`

// UI serves Swagger UI at /swagger/. It works without any other server.
func UI() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/swagger", http.RedirectHandler("/swagger/", http.StatusMovedPermanently))
	mux.Handle("/swagger/index.html", file("text/html; charset=utf-8", []byte(page)))
	mux.Handle("/swagger/{$}", file("text/html; charset=utf-8", []byte(page)))
	mux.Handle("/swagger/swagger-initializer.js", file("text/javascript; charset=utf-8", []byte(initializer)))
	files := http.StripPrefix("/swagger/", http.FileServerFS(swagger.FS))
	mux.HandleFunc("/swagger/", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".map") {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-cache")
		files.ServeHTTP(w, r)
	})
	return secured(mux)
}

// secured lets the page load only from this server. Swagger UI sets styles
// itself and shows images from data URLs.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}
