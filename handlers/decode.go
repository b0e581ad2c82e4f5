package handlers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	jsonType       = "application/json"
	mergePatchType = "application/merge-patch+json"
	maxDepth       = 64 // of nested JSON
	maxFaults      = 50 // that one answer lists
)

// object is a JSON object as it was sent; numbers keep their digits.
type object = map[string]any

// readObject reads the body, which must be one JSON object. What is not JSON,
// or JSON that readers could understand differently, is malformed.
func readObject(r *http.Request, types ...string) (object, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read body again: %w", err)
	}
	if len(raw) == 0 && r.Header.Get("Content-Type") == "" {
		return nil, problem("malformed", "The body is empty. Send a JSON object.")
	}
	if err := checkMediaType(r, types); err != nil {
		return nil, err
	}
	v, err := parse(raw)
	if err != nil {
		return nil, err
	}
	o, ok := v.(object)
	if !ok {
		return nil, problem("malformed", "The body is %s. Send a JSON object.", nameOf(v))
	}
	return o, nil
}

// readOptional is readObject for a body that may be left out.
func readOptional(r *http.Request) (object, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read body again: %w", err)
	}
	if len(raw) == 0 {
		return object{}, nil
	}
	r.Body = io.NopCloser(bytes.NewReader(raw))
	return readObject(r, jsonType)
}

// readNothing reads the body of an action that takes none: empty, or {}.
func readNothing(r *http.Request) error {
	o, err := readOptional(r)
	if err != nil {
		return err
	}
	_, err = into[struct{}](o, "")
	return err
}

func checkMediaType(r *http.Request, types []string) error {
	sent := r.Header.Get("Content-Type")
	kind, params, err := mime.ParseMediaType(sent)
	charset, named := params["charset"]
	if err != nil || !slices.Contains(types, kind) || named && !strings.EqualFold(charset, "utf-8") {
		return problem("unsupported-media-type", "The body's Content-Type is %q. Send %s in UTF-8.", sent, strings.Join(types, " or "))
	}
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return problem("unsupported-media-type", "The body's Content-Encoding is %q. Send it as it is.", enc)
	}
	return nil
}

// parse makes a tree of JSON text.
func parse(raw []byte) (any, error) {
	if !utf8.Valid(raw) {
		return nil, problem("malformed", "The body is not UTF-8.")
	}
	var whole json.RawMessage
	if err := json.Unmarshal(raw, &whole); err != nil { // checks the syntax of all of it
		at := ""
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at = fmt.Sprintf(" at byte %d", syntax.Offset)
		}
		return nil, problem("malformed", "The body is not JSON: %s%s.", strings.TrimPrefix(err.Error(), "json: "), at)
	}
	if at := loneSurrogate(raw); at >= 0 {
		return nil, problem("malformed", "The body has half a character at byte %d: \\ud800 to \\udfff mean something only in pairs.", at)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return parseValue(d, "", 0)
}

// loneSurrogate finds the escape of a surrogate that is not one of a pair in
// valid JSON; -1 if there is none. The decoder would put another character in
// its place and say nothing.
func loneSurrogate(raw []byte) int {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		one := unicodeEscape(raw[i:])
		switch {
		case one < 0:
			i++ // a short escape
		case !utf16.IsSurrogate(one):
			i += 5
		case utf16.DecodeRune(one, unicodeEscape(raw[i+6:])) == utf8.RuneError:
			return i
		default:
			i += 11
		}
	}
	return -1
}

// unicodeEscape reads the escape that JSON text begins with; -1 if it is no \uXXXX.
func unicodeEscape(raw []byte) rune {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

func parseValue(d *json.Decoder, at string, depth int) (any, error) {
	if depth > maxDepth {
		return nil, problem("malformed", "The body is nested deeper than %d levels.", maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return nil, problem("malformed", "The body is not JSON.")
	}
	switch t {
	case json.Delim('{'):
		o := object{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, problem("malformed", "The body is not JSON.")
			}
			name, _ := key.(string) // the syntax has been checked
			here := at + "/" + escape(name)
			if _, twice := o[name]; twice {
				return nil, problem("malformed", "The body has %s twice. Send it once.", here)
			}
			if o[name], err = parseValue(d, here, depth+1); err != nil {
				return nil, err
			}
		}
		_, err = d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := parseValue(d, at+"/"+strconv.Itoa(len(list)), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = d.Token()
		return list, err
	default:
		return t, nil
	}
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// escape makes a member's name part of a JSON pointer, shortened if it is
// longer than any we know.
func escape(name string) string {
	if len(name) > 100 {
		name = strings.ToValidUTF8(name[:100], "") + "…"
	}
	return pointerEscapes.Replace(name)
}

// into makes a value of a tree whose shape is that of T: no unknown members, no
// wrong types. at is where the tree is in the body.
func into[T any](tree any, at string) (T, error) {
	var (
		to T
		f  faults
	)
	f.shape(tree, reflect.TypeFor[T](), at)
	if err := f.err(); err != nil {
		return to, err
	}
	text, err := encode(tree)
	if err != nil {
		return to, fmt.Errorf("encode body again: %w", err)
	}
	if err := json.Unmarshal(text, &to); err != nil {
		return to, invalid(Fault{at, "is not valid"}) // its shape says nothing against it
	}
	return to, nil
}

// faults collects what is wrong with a body.
type faults []Fault

func (f *faults) add(at, detail string, args ...any) {
	if len(*f) < maxFaults {
		*f = append(*f, Fault{at, fmt.Sprintf(detail, args...)})
	}
}

func (f *faults) err() error {
	slices.SortStableFunc(*f, func(a, b Fault) int { return strings.Compare(a.Pointer, b.Pointer) })
	return invalid(*f...)
}

var (
	rawMessage  = reflect.TypeFor[json.RawMessage]()
	unmarshaler = reflect.TypeFor[json.Unmarshaler]()
)

// shape compares a tree with the type it is meant for.
func (f *faults) shape(v any, t reflect.Type, at string) {
	if t == rawMessage || t.Kind() == reflect.Interface {
		return
	}
	if t.Kind() == reflect.Pointer {
		if v != nil {
			f.shape(v, t.Elem(), at)
		}
		return
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		f.unmarshal(v, t, at)
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		f.object(v, t, at)
	case reflect.Map:
		if v == nil {
			return
		}
		if o, ok := f.is(v, object{}, at).(object); ok {
			for name, member := range o {
				f.shape(member, t.Elem(), at+"/"+escape(name))
			}
		}
	case reflect.Slice:
		if v == nil {
			return
		}
		if list, ok := f.is(v, []any{}, at).([]any); ok {
			for i, item := range list {
				f.shape(item, t.Elem(), at+"/"+strconv.Itoa(i))
			}
		}
	case reflect.String:
		f.is(v, "", at)
	case reflect.Bool:
		f.is(v, false, at)
	default:
		n, ok := f.is(v, json.Number(""), at).(json.Number)
		if _, err := strconv.ParseInt(n.String(), 10, t.Bits()); ok && err != nil {
			f.add(at, "must be a whole number")
		}
	}
}

func (f *faults) object(v any, t reflect.Type, at string) {
	o, ok := f.is(v, object{}, at).(object)
	if !ok {
		return
	}
	known := members(t)
	for name, member := range o {
		if kind, ok := known[name]; ok {
			f.shape(member, kind, at+"/"+escape(name))
		} else {
			f.add(at+"/"+escape(name), "is not known here")
		}
	}
}

// members maps the JSON names of a struct's fields to their types.
func members(t reflect.Type) map[string]reflect.Type {
	known := map[string]reflect.Type{}
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			for n, kind := range members(field.Type) {
				known[n] = kind
			}
		case name != "" && name != "-":
			known[name] = field.Type
		}
	}
	return known
}

func (f *faults) unmarshal(v any, t reflect.Type, at string) {
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, reflect.New(t).Interface())
	}
	if err != nil {
		detail := "is not valid"
		switch t {
		case reflect.TypeFor[Duration]():
			detail = `must be a duration like "10s" or "1m30s"`
		case reflect.TypeFor[Time]():
			detail = `must be a time like "2026-01-02T03:04:05Z"`
		}
		f.add(at, "%s", detail)
	}
}

// is returns v if it has the type of want, and adds a fault otherwise.
func (f *faults) is(v, want any, at string) any {
	if reflect.TypeOf(v) == reflect.TypeOf(want) {
		return v
	}
	f.add(at, "must be %s, not %s", nameOf(want), nameOf(v))
	return nil
}

func nameOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case object:
		return "an object"
	case []any:
		return "an array"
	case string:
		return "a string"
	case bool:
		return "true or false"
	default:
		return "a number"
	}
}

// merge applies a JSON merge patch (RFC 7396) and returns the result; neither
// argument is changed.
func merge(target, patch any) any {
	p, ok := patch.(object)
	if !ok {
		return patch
	}
	merged := object{}
	if t, ok := target.(object); ok {
		for name, v := range t {
			merged[name] = v
		}
	}
	for name, v := range p {
		if v == nil {
			delete(merged, name)
		} else {
			merged[name] = merge(merged[name], v)
		}
	}
	return merged
}

// tree is the JSON of a wire type as a tree.
func tree(v any) (object, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode resource: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var o object
	if err := d.Decode(&o); err != nil {
		return nil, fmt.Errorf("decode resource: %w", err)
	}
	return o, nil
}
