package openapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/quorate/quorate/openapi"
)

func get(t *testing.T, h http.Handler, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Result(), string(body)
}

func TestDocumentIsServedAsJSONAndYAML(t *testing.T) {
	resp, text := get(t, openapi.Handler(), "/openapi.json")
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]any
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil || doc.OpenAPI != "3.0.3" || len(doc.Paths) < 20 {
		t.Errorf("%v %s with %d paths", err, doc.OpenAPI, len(doc.Paths))
	}
	if ct := resp.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type %q", ct)
	}
	if resp, _ := get(t, openapi.Handler(), "/openapi.json", "If-None-Match", resp.Header.Get("ETag")); resp.StatusCode != 304 {
		t.Errorf("status %d for a document that the client has", resp.StatusCode)
	}
	_, asYAML := get(t, openapi.Handler(), "/openapi.yaml")
	same, err := yaml.YAMLToJSON([]byte(asYAML))
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	_ = json.Unmarshal(same, &a)
	_ = json.Unmarshal([]byte(text), &b)
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	if string(x) != string(y) {
		t.Error("YAML and JSON differ")
	}
}

func TestSwaggerUIWorksOffline(t *testing.T) {
	resp, page := get(t, openapi.UI(), "/swagger/")
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	links := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(links) < 4 {
		t.Errorf("links %v", links)
	}
	for _, l := range links {
		if strings.Contains(l[1], "//") {
			t.Errorf("the page loads %s from elsewhere", l[1])
		}
		if resp, body := get(t, openapi.UI(), "/swagger/"+l[1]); resp.StatusCode != 200 || body == "" {
			t.Errorf("%s: %d", l[1], resp.StatusCode)
		}
	}
	_, script := get(t, openapi.UI(), "/swagger/swagger-initializer.js")
	for _, want := range []string{`"/openapi.json"`, "persistAuthorization: true"} {
		if !strings.Contains(script, want) {
			t.Errorf("the initializer lacks %s", want)
		}
	}
	if strings.Contains(script, "petstore") {
		t.Error("the initializer is the stock one")
	}
	for path, status := range map[string]int{"/swagger": 301, "/swagger/index.html": 200, "/swagger/nothing": 404, "/swagger/swagger-ui.js.map": 404} {
		if resp, _ := get(t, openapi.UI(), path); resp.StatusCode != status {
			t.Errorf("%s: %d, want %d", path, resp.StatusCode, status)
		}
	}
}
