package transfer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/quorate/quorate/farm"
)

// checkIDs reports every ID of a Site, broker or Provider that is none. An ID
// becomes a part of a request's path, where a slash would lead elsewhere.
func checkIDs(document mapping) error {
	var wrong []string
	for id, site := range within(document, "sites") {
		wrong = append(wrong, judge("sites", id)...)
		for _, kind := range []string{brokers, providers} {
			for name := range within(site, kind) {
				wrong = append(wrong, judge(fmt.Sprintf("sites/%v/%s", id, kind), name)...)
			}
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return errors.New("the document has IDs that are none:\n" + strings.Join(wrong, "\n"))
}

// within is an object in an object; empty if there is none. The case of the name
// does not count, as it does not where JSON is read into a Document.
func within(o any, name string) mapping {
	all := mapping{}
	outer, _ := o.(mapping)
	for key, value := range outer {
		if text, ok := key.(string); ok && strings.EqualFold(text, name) {
			inner, _ := value.(mapping)
			maps.Copy(all, inner)
		}
	}
	return all
}

// judge says what is wrong with an ID. One that YAML took for a number or a truth
// value is not what was written any more: no is false, 012 is 10.
func judge(at string, id any) []string {
	text, ok := id.(string)
	switch {
	case !ok:
		return []string{fmt.Sprintf(`  %s: YAML reads an ID as %v, which is no text: put it in quotes as it was meant, as in "no" or "012"`, at, id)}
	case !farm.ValidID(text):
		return []string{fmt.Sprintf("  %s: %q must be 1 to 63 lower-case letters, digits and hyphens, with no hyphen first or last", at, text)}
	}
	return nil
}
