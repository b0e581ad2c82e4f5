// Command gen makes the OpenAPI document from the comments in package handlers:
//
//	go run ./openapi/gen          # writes it
//	go run ./openapi/gen -check   # fails if it is not current
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"sigs.k8s.io/yaml"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run writes the document beside the package that embeds it.
func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("gen", flag.ContinueOnError)
	flags.SetOutput(stderr)
	check := flags.Bool("check", false, "write nothing; fail if the document is not current")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	asJSON, asYAML, err := generate(ctx, root, stderr)
	if err != nil {
		return err
	}
	do := write
	if *check {
		do = compare
	}
	return errors.Join(
		do(filepath.Join(root, "openapi", "openapi.json"), asJSON),
		do(filepath.Join(root, "openapi", "openapi.yaml"), asYAML),
	)
}

func write(path string, text []byte) error { return os.WriteFile(path, text, 0o644) }

func compare(path string, text []byte) error {
	is, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(is, text) {
		err = fmt.Errorf("%s is not current: run go run ./openapi/gen", path)
	}
	return err
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// generate makes the document; the same comments give the same bytes.
func generate(ctx context.Context, root string, stderr io.Writer) (asJSON, asYAML []byte, err error) {
	v2, err := swag(ctx, root, stderr)
	if err != nil {
		return nil, nil, err
	}
	var old openapi2.T
	if err := json.Unmarshal(v2, &old); err != nil {
		return nil, nil, fmt.Errorf("read what swag made: %w", err)
	}
	doc, err := openapi2conv.ToV3(&old)
	if err != nil {
		return nil, nil, fmt.Errorf("convert to OpenAPI 3: %w", err)
	}
	if err := finish(doc); err != nil {
		return nil, nil, err
	}
	if asJSON, err = marshal(doc); err != nil {
		return nil, nil, err
	}
	if err := validate(ctx, asJSON); err != nil {
		return nil, nil, err
	}
	if asYAML, err = yaml.JSONToYAML(asJSON); err != nil {
		return nil, nil, fmt.Errorf("make YAML: %w", err)
	}
	return asJSON, asYAML, nil
}

// swag makes a Swagger 2.0 document of the handlers' comments.
func swag(ctx context.Context, root string, stderr io.Writer) ([]byte, error) {
	dir, err := os.MkdirTemp("", "quorate-openapi-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "tool", "swag", "init", "--quiet", "--requiredByDefault",
		"--dir", "handlers,farm", "--generalInfo", "openapi.go", "--outputTypes", "json", "--output", dir)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, &said, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("swag: %w\n%s", err, said.Bytes())
	}
	_, _ = stderr.Write(said.Bytes())
	return os.ReadFile(filepath.Join(dir, "swagger.json"))
}

// finish adds what Swagger 2.0 or swag cannot say.
func finish(doc *openapi3.T) error {
	doc.OpenAPI = "3.0.3"
	doc.Servers = openapi3.Servers{{URL: "/", Description: "This server; any server of the Farm answers the same."}}
	bearer := openapi3.NewSecurityScheme().WithType("http").WithScheme("bearer").
		WithDescription("An API token of the Farm. `quorate dev` prints one.")
	doc.Components.SecuritySchemes = openapi3.SecuritySchemes{"bearerAuth": {Value: bearer}}
	doc.Security = *openapi3.NewSecurityRequirements().With(openapi3.NewSecurityRequirement().Authenticate("bearerAuth"))
	doc.Components.Responses = openapi3.ResponseBodies{}
	for _, p := range problems {
		doc.Components.Responses[p.name] = &openapi3.ResponseRef{Value: p.response()}
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if err := complete(path, method, op); err != nil {
				return fmt.Errorf("%s %s: %w", method, path, err)
			}
		}
	}
	return refine(doc)
}

// refine makes the schemas say what swag leaves out.
func refine(doc *openapi3.T) error {
	for name, ref := range doc.Components.Schemas {
		s := ref.Value
		if strings.HasSuffix(name, "Body") || name == "Move" || name == "Trial" || name == "TrialSet" {
			closed := false
			s.AdditionalProperties = openapi3.BoolSchema{Has: &closed}
			s.Required = nil
		}
		slices.Sort(s.Required)
	}
	for schema, required := range map[string][]string{"Move": {"broker"}, "PreferenceBody": {"mode"}} {
		ref := doc.Components.Schemas[schema]
		if ref == nil {
			return fmt.Errorf("there is no schema %s", schema)
		}
		ref.Value.Required = required
	}
	outage := doc.Components.Schemas["Prediction"].Value.Properties["longestOutage"]
	outage.Value.Nullable = true
	// The stream's first message has the resources as GET shows them.
	snapshot := doc.Components.Schemas["Snapshot"].Value.Properties
	snapshot["site"] = openapi3.NewSchemaRef("#/components/schemas/Site", nil)
	for property, schema := range map[string]string{"brokers": "Broker", "providers": "Provider"} {
		snapshot[property].Value.Items = openapi3.NewSchemaRef("#/components/schemas/"+schema, nil)
	}
	for resource, required := range map[string][]string{"Site": {"id"}, "Broker": {"id"}, "Provider": {"id", "type"}} {
		must := openapi3.NewSchema()
		must.Required = required
		all := openapi3.NewSchema()
		all.AllOf = openapi3.SchemaRefs{openapi3.NewSchemaRef("#/components/schemas/"+resource+"Body", nil), must.NewRef()}
		doc.Components.Schemas["New"+resource] = all.NewRef()
	}
	// What a PATCH leaves out stays, and null gives a default.
	for _, name := range []string{"SiteBody", "BrokerBody", "ProviderBody", "FailbackBody", "CredentialsBody"} {
		for _, p := range doc.Components.Schemas[name].Value.Properties {
			if p.Ref != "" {
				continue
			}
			p.Value.Nullable = true
			p.Value.Enum = nullable(p.Value.Enum)
			if p.Value.Type == nil {
				p.Value.Type = &openapi3.Types{"object"} // nullable says nothing without a type
			}
		}
	}
	return nil
}

func nullable(enum []any) []any {
	if len(enum) == 0 {
		return enum
	}
	return append(enum, nil)
}

// mayFail is an answer that operations may give.
type mayFail struct {
	name        string
	status      int
	description string
	headers     map[string]string
	when        func(path, method string, op *openapi3.Operation) bool
}

func api(path, _ string, _ *openapi3.Operation) bool { return strings.HasPrefix(path, "/api/") }

// body: also actions may be sent one, an empty object.
func body(_, method string, _ *openapi3.Operation) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

// ruled: what changes something, and a test, which needs to open a stored password.
func ruled(path, method string, op *openapi3.Operation) bool {
	return method != http.MethodGet && api(path, method, op) && op.OperationID != "simulate"
}

func hasHeader(name string) func(string, string, *openapi3.Operation) bool {
	return func(_, _ string, op *openapi3.Operation) bool {
		return op.Parameters.GetByInAndName("header", name) != nil
	}
}

func hasQuery(name string) func(string, string, *openapi3.Operation) bool {
	return func(_, _ string, op *openapi3.Operation) bool {
		return op.Parameters.GetByInAndName("query", name) != nil
	}
}

// problems are the answers of problem documents and which operations have them.
var problems = []mayFail{
	{name: "Malformed", status: 400, description: "The request is malformed: not JSON, or a header or query parameter that is not well formed or not known.", when: api},
	{name: "Unauthorized", status: 401, description: "A valid token is required.", headers: map[string]string{"WWW-Authenticate": "Bearer."}, when: api},
	{name: "NotFound", status: 404, description: "There is no such thing.", when: func(path, _ string, _ *openapi3.Operation) bool { return strings.Contains(path, "{") }},
	{name: "RequestTimeout", status: 408, description: "The body did not come in time.", when: body},
	{name: "Refused", status: 409, description: "A rule of the domain refused it; `code` says which, `effects` what would have happened. Or the name is taken.", when: ruled},
	{name: "Gone", status: 410, description: "The revision that the list's pages show is no longer kept: start again.", when: hasQuery("continue")},
	{name: "Stale", status: 412, description: "If-Match is stale; `revision` is the current one.", headers: map[string]string{"ETag": "The current one."}, when: hasHeader("If-Match")},
	{name: "TooLarge", status: 413, description: "The body is larger than 1 MiB.", when: body},
	{name: "UnsupportedMediaType", status: 415, description: "The body is not application/json, or for PATCH application/merge-patch+json.", when: body},
	{name: "Invalid", status: 422, description: "Fields are not valid; `errors` names each.", when: body},
	{name: "PreconditionRequired", status: 428, description: "PUT needs If-Match.", when: func(_, method string, _ *openapi3.Operation) bool { return method == http.MethodPut }},
	{name: "TooManyRequests", status: 429, description: "Too many requests.", headers: map[string]string{"Retry-After": "Seconds to wait."}, when: api},
	{name: "Failed", status: 500, description: "The server failed; its log has the cause under `requestId`.", when: api},
	{name: "Unavailable", status: 503, description: "Storage does not answer in time, or is full.", headers: map[string]string{"Retry-After": "Seconds to wait."}, when: api},
}

func (p mayFail) response() *openapi3.Response {
	r := openapi3.NewResponse().WithDescription(p.description)
	r.Content = openapi3.NewContentWithSchemaRef(openapi3.NewSchemaRef("#/components/schemas/Problem", nil), []string{"application/problem+json"})
	for name, description := range p.headers {
		if r.Headers == nil {
			r.Headers = openapi3.Headers{}
		}
		r.Headers[name] = &openapi3.HeaderRef{Value: &openapi3.Header{Parameter: openapi3.Parameter{
			Description: description, Schema: openapi3.NewStringSchema().NewRef(),
		}}}
	}
	return r
}

// complete adds to an operation its example and the answers that all of its sort
// have, and takes the security requirement from those that need no token.
func complete(path, method string, op *openapi3.Operation) error {
	if !api(path, method, op) {
		op.Security = openapi3.NewSecurityRequirements()
	}
	for status, ref := range op.Responses.Map() {
		if ref.Value == nil || ref.Value.Description == nil || *ref.Value.Description == "" {
			return fmt.Errorf("answer %s has no description", status)
		}
	}
	for _, p := range problems {
		status := strconv.Itoa(p.status)
		if p.when(path, method, op) && op.Responses.Value(status) == nil {
			op.Responses.Set(status, &openapi3.ResponseRef{Ref: "#/components/responses/" + p.name})
		}
	}
	if op.RequestBody == nil {
		return nil
	}
	op.RequestBody.Value.Extensions = nil // of the conversion
	content := op.RequestBody.Value.Content
	if method == http.MethodPatch {
		content["application/merge-patch+json"] = content["application/json"]
	}
	if resource, creates := strings.CutPrefix(op.OperationID, "create"); creates {
		content["application/json"].Schema = openapi3.NewSchemaRef("#/components/schemas/New"+resource, nil)
	}
	return exemplify(op)
}

var generic = regexp.MustCompile(`handlers\.Page-(?:handlers[._])?([A-Za-z]+)`)

// marshal writes the document with sorted keys and readable names.
func marshal(doc *openapi3.T) ([]byte, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode document: %w", err)
	}
	text = generic.ReplaceAll(text, []byte("${1}List"))
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("decode document: %w", err)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(tree); err != nil {
		return nil, fmt.Errorf("encode document: %w", err)
	}
	return out.Bytes(), nil
}

func validate(ctx context.Context, text []byte) error {
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		return fmt.Errorf("read the document: %w", err)
	}
	if err := doc.Validate(ctx); err != nil {
		return fmt.Errorf("the document is not valid: %w", err)
	}
	return nil
}
