package handlers

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/go-playground/validator/v10"

	"github.com/quorate/quorate/farm"
)

// valid checks the fields of bodies by their validate tags. It is immutable
// after it has been made.
var valid = newValidator()

func newValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	v.RegisterCustomTypeFunc(func(v reflect.Value) any { return time.Duration(v.Int()) }, Duration(0))
	rules := map[string]func(string) bool{
		"line":    func(s string) bool { return !strings.ContainsFunc(s, unicode.IsControl) },
		"text":    func(s string) bool { return !strings.ContainsFunc(s, control) },
		"id":      farm.ValidID,
		"httpurl": httpURL,
	}
	for tag, ok := range rules {
		err := v.RegisterValidation(tag, func(f validator.FieldLevel) bool { return ok(f.Field().String()) })
		if err != nil {
			panic(err) // a programming error, seen by every test
		}
	}
	return v
}

func control(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }

func httpURL(s string) bool {
	if s == "" {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		u.User == nil && u.RawQuery == "" && u.Fragment == "" && !u.ForceQuery
}

// check reports every field of body that breaks its validate tag.
func check(body any, at string) error {
	err := valid.Struct(body)
	var broken validator.ValidationErrors
	if err == nil || !errors.As(err, &broken) {
		return err
	}
	var f faults
	for _, b := range broken {
		f.add(at+pointer(b.Namespace()), "%s", explain(b))
	}
	return f.err()
}

// pointer makes a JSON pointer of a validator's namespace: the type's name,
// then the fields' names. An embedded struct has none.
func pointer(namespace string) string {
	var p strings.Builder
	for i, name := range strings.Split(namespace, ".") {
		if i > 0 && name != "" && name != "ReadOnly" {
			p.WriteString("/" + escape(name))
		}
	}
	return p.String()
}

func explain(b validator.FieldError) string {
	unit := ""
	if b.Kind() == reflect.String {
		unit = " characters"
	}
	switch b.Tag() {
	case "required":
		return "is required"
	case "max":
		return fmt.Sprintf("must be at most %s%s", b.Param(), unit)
	case "min":
		return fmt.Sprintf("must be at least %s%s", b.Param(), unit)
	case "oneof":
		return "must be one of " + strings.Join(strings.Fields(b.Param()), ", ")
	case "id":
		return "must be 1 to 63 lower-case letters, digits and hyphens, and neither begin nor end with a hyphen"
	case "line", "text":
		return "must not contain control characters"
	case "httpurl":
		return `must be an http or https URL like "https://10.0.0.2:8080", without user, query or fragment`
	default:
		return "is not valid"
	}
}
