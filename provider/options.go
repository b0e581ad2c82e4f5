package provider

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

const optionsPointer = "/options"

// DecodeOptions reads a Target's options into the struct that into points at,
// which has fields of text, true or false, whole numbers, lists and structs.
// Fields that the struct does not have are wrong, and so is anything but one
// object; no options at all leave into as it is.
func DecodeOptions(options json.RawMessage, into any) Faults {
	var f Faults
	if len(bytes.TrimSpace(options)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(options))
	d.UseNumber()
	var tree any
	if d.Decode(&tree) != nil {
		f.Add(optionsPointer, "must be JSON")
		return f
	}
	if _, err := d.Token(); err != io.EOF {
		f.Add(optionsPointer, "must be one object")
		return f
	}
	f.shape(tree, reflect.TypeOf(into).Elem(), optionsPointer)
	if len(f) == 0 && json.Unmarshal(options, into) != nil {
		f.Add(optionsPointer, "cannot be understood") // its shape says nothing against it
	}
	return f
}

// shape compares a tree with the type it is meant for. The decoder would stop at
// the first thing that is wrong, and speak of it in words for programmers.
func (f *Faults) shape(v any, t reflect.Type, at string) {
	switch t.Kind() {
	case reflect.Struct:
		f.object(v, t, at)
	case reflect.Slice:
		list, ok := v.([]any)
		if !ok {
			f.Add(at, "must be a list")
		}
		for i, item := range list {
			if f.Enough() {
				return
			}
			f.shape(item, t.Elem(), at+"/"+strconv.Itoa(i))
		}
	case reflect.String:
		if _, ok := v.(string); !ok {
			f.Add(at, "must be text")
		}
	case reflect.Bool:
		if _, ok := v.(bool); !ok {
			f.Add(at, "must be true or false")
		}
	default:
		n, _ := v.(json.Number)
		if _, err := strconv.ParseInt(n.String(), 10, t.Bits()); err != nil {
			f.Add(at, "must be a whole number")
		}
	}
}

func (f *Faults) object(v any, t reflect.Type, at string) {
	o, ok := v.(map[string]any)
	if !ok {
		f.Add(at, "must be an object")
		return
	}
	known := map[string]reflect.Type{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		known[name] = t.Field(i).Type
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if f.Enough() {
			return
		}
		here := at + "/" + escape(name)
		if kind, ok := known[name]; ok {
			f.shape(o[name], kind, here)
		} else {
			f.Add(here, "is not an option of this type")
		}
	}
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// escape makes a member's name part of a JSON pointer, shortened if it is
// longer than any there is.
func escape(name string) string {
	if len(name) > 100 {
		name = strings.ToValidUTF8(name[:100], "") + "…"
	}
	return pointerEscapes.Replace(name)
}
