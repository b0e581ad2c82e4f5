package handlers_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/handlers"
)

// lenientKinds take any settings: what a type takes is tested with the types.
type lenientKinds struct{ fakeKinds }

func (lenientKinds) Check(farm.Provider, string) []handlers.Fault { return nil }

// Whoever tries an operation out in Swagger UI sends the document's example.
func TestTheExamplesOfBodiesWork(t *testing.T) {
	text, err := os.ReadFile("../openapi/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	place := strings.NewReplacer("{site}", "hq", "{broker}", "cb-2", "{provider}", "vc-1")
	tried := 0
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.RequestBody == nil {
				continue
			}
			tried++
			for kind, content := range op.RequestBody.Value.Content {
				body, err := json.Marshal(content.Example)
				if err != nil {
					t.Fatal(err)
				}
				b := newBed(t, func(c *handlers.Config) { c.Kinds = lenientKinds{} })
				b.likeDev()
				a := b.do(method, place.Replace(path), string(body), "If-Match: *", "Content-Type: "+kind)
				if a.status != http.StatusOK && a.status != http.StatusCreated {
					t.Errorf("%s %s %s: %s", method, path, body, a.text)
				}
			}
		}
	}
	if tried < 10 {
		t.Errorf("only %d operations have a body", tried)
	}
}

// likeDev makes the Site like that of `quorate dev`: three active brokers, a
// standby, and Providers that have passwords.
func (b *bed) likeDev() {
	b.t.Helper()
	b.armed()
	b.online("cb-4")
	for _, id := range []string{"vc-1", "vc-2", "vc-3"} {
		b.must("POST", "/sites/hq/providers", `{"id":"`+id+`","type":"vsphere","address":"https://127.0.0.1:1/sdk","credentials":{"username":"u","password":"p"}}`, 201)
	}
}
