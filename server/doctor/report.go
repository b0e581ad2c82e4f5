package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Level says how bad a finding is.
type Level string

const (
	OK   Level = "ok"
	Warn Level = "warn" // it works, and will not always
	Fail Level = "fail" // it does not work, or is not safe
)

// Finding is what one check has to say.
type Finding struct {
	Level   Level  `json:"level"`
	What    string `json:"what"`
	Finding string `json:"finding"`
	Do      string `json:"do,omitempty"` // what to do about it; may be several lines
}

func fine(what, finding string) Finding { return Finding{Level: OK, What: what, Finding: finding} }

func warned(what, finding, do string) Finding {
	return Finding{Level: Warn, What: what, Finding: finding, Do: do}
}

func failed(what, finding, do string) Finding {
	return Finding{Level: Fail, What: what, Finding: finding, Do: do}
}

// Report is all that was found.
type Report struct {
	OK       int       `json:"ok"`
	Warnings int       `json:"warnings"`
	Failures int       `json:"failures"`
	Findings []Finding `json:"findings"`
}

func newReport(parts ...[]Finding) Report {
	var r Report
	for _, part := range parts {
		for _, f := range part {
			switch f.Level {
			case OK:
				r.OK++
			case Warn:
				r.Warnings++
			case Fail:
				r.Failures++
			default: // a check that does not apply
				continue
			}
			r.Findings = append(r.Findings, f)
		}
	}
	return r
}

// Troubles is the report without what is ok, which is only counted.
func (r Report) Troubles() Report {
	r.Findings = slices.DeleteFunc(slices.Clone(r.Findings), func(f Finding) bool { return f.Level == OK })
	return r
}

// JSON writes the report for programs.
func (r Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Text writes the report for people.
func (r Report) Text(w io.Writer) error {
	width := 0
	for _, f := range r.Findings {
		width = max(width, len(f.What))
	}
	var out strings.Builder
	for _, f := range r.Findings {
		indent := strings.Repeat(" ", len("warn  ")+width+2)
		fmt.Fprintf(&out, "%-4s  %-*s  %s\n", f.Level, width, f.What, strings.ReplaceAll(f.Finding, "\n", "\n"+indent))
		if f.Do != "" {
			fmt.Fprintf(&out, "      do: %s\n", strings.ReplaceAll(f.Do, "\n", "\n          "))
		}
	}
	if len(r.Findings) > 0 {
		out.WriteString("\n")
	}
	fmt.Fprintf(&out, "%d ok, %d to look at, %d to mend.\n", r.OK, r.Warnings, r.Failures)
	_, err := io.WriteString(w, out.String())
	return err
}

// sentence ends one with an error, after a colon: errors begin in lower case.
func sentence(err error) string {
	s := strings.TrimSpace(err.Error())
	if s == "" {
		return "no reason is given."
	}
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
