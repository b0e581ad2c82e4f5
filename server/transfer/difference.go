package transfer

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// resources are the document's Sites, brokers and Providers by their paths.
func (d Document) resources() map[string]object {
	all := map[string]object{}
	for id, s := range d.Sites {
		at := "sites/" + id
		all[at] = s.Settings
		for name, b := range s.Brokers {
			all[at+"/brokers/"+name] = b
		}
		for name, p := range s.Providers {
			all[at+"/providers/"+name] = p
		}
	}
	return all
}

// differences says field by field what the steps change: + is new, - is gone,
// ~ is another. A password is never shown.
func differences(before, after Document, steps []step) []string {
	var lines []string
	was, is := before.resources(), after.resources()
	for _, s := range steps {
		from, to := fields("", was[s.path]), fields("", is[s.path])
		all := maps.Clone(from)
		maps.Copy(all, to)
		if s.remove {
			lines = append(lines, "- "+s.path)
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(all)) {
			old, had := from[name]
			now, has := to[name]
			switch {
			case !had:
				lines = append(lines, fmt.Sprintf("+ %s %s: %s", s.path, name, now))
			case !has:
				lines = append(lines, fmt.Sprintf("- %s %s: %s", s.path, name, old))
			case old != now:
				lines = append(lines, fmt.Sprintf("~ %s %s: %s → %s", s.path, name, old, now))
			}
		}
		if s.newSecret {
			lines = append(lines, fmt.Sprintf("~ %s password: the one in the document", s.path))
		}
	}
	return lines
}

// fields are the values in an object, in JSON, by their dotted names.
func fields(at string, o object) map[string]string {
	all := map[string]string{}
	for name, value := range o {
		var inner object
		if json.Unmarshal(value, &inner) == nil && len(inner) > 0 {
			maps.Copy(all, fields(at+name+".", inner))
			continue
		}
		all[at+name] = string(value)
	}
	return all
}
