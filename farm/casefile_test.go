package farm_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quorate/quorate/farm"
)

// line is one line of a case file: its first word and the rest.
type line struct {
	file string
	at   int
	word string
	rest string
}

func (l line) errorf(format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", l.file, l.at, fmt.Errorf(format, args...))
}

// story is one case: how the Site is, what happens, and what is wanted then.
type story struct {
	name  string
	start line // its name line
	site  []line
	steps []line
}

var (
	siteWords = []string{
		"seats", "standby", "order", "offline", "disabled", "draining", "leaving", "held",
		"contact", "providers", "owns", "prefers", "pinned", "home", "hosts", "reports", "site", "armed", "fresh", "epochs",
	}
	stepWords = []string{"then", "want", "what-if", "stoppable"}
)

// readCases reads every case file of a folder.
func readCases(dir string) ([]story, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var all []story
	var errs []error
	named := map[string]line{}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		stories, err := parse(file, f)
		errs = append(errs, err, f.Close())
		for _, s := range stories {
			if first, twice := named[s.name]; twice {
				errs = append(errs, s.start.errorf("a case of this name is at %s:%d", first.file, first.at))
			}
			named[s.name] = s.start
		}
		all = append(all, stories...)
	}
	return all, errors.Join(errs...)
}

// parse reads one case file. Faults name the file and the line.
func parse(file string, r io.Reader) ([]story, error) {
	var all []story
	var errs []error
	fault := func(l line, format string, args ...any) { errs = append(errs, l.errorf(format, args...)) }
	var word string // of the line before
	in := bufio.NewScanner(r)
	for at := 1; in.Scan(); at++ {
		text, _, _ := strings.Cut(in.Text(), "#")
		if strings.TrimSpace(text) == "" {
			continue
		}
		l := line{file: file, at: at}
		if indented := strings.TrimLeft(text, " \t") != text; indented {
			l.word, l.rest = word, strings.TrimSpace(text)
		} else {
			l.word, l.rest, _ = strings.Cut(text, " ")
			l.word, l.rest = strings.TrimSpace(l.word), strings.TrimSpace(l.rest)
		}
		word = l.word
		if l.word == "name" {
			all = append(all, story{name: l.rest, start: l})
			if l.rest == "" {
				fault(l, "a case needs a name")
			}
			continue
		}
		if len(all) == 0 {
			fault(l, "a case begins with its name, not with %q", l.word)
			continue
		}
		s := &all[len(all)-1]
		switch {
		case slices.Contains(siteWords, l.word):
			if len(s.steps) > 0 {
				fault(l, "%q says how the Site is and comes before what happens", l.word)
			}
			s.site = append(s.site, l)
		case slices.Contains(stepWords, l.word):
			s.steps = append(s.steps, l)
		default:
			fault(l, "unknown word %q", l.word)
		}
	}
	for _, s := range all {
		if len(s.steps) == 0 || s.steps[len(s.steps)-1].word != "want" {
			fault(s.start, "the case does not end with what is wanted")
		}
	}
	return all, errors.Join(append(errs, in.Err())...)
}

// parts are what a step says: several things, separated by "·" outside quotes.
func (l line) parts() []string {
	var parts []string
	for i, quoted := range strings.Split(l.rest, `"`) {
		if i%2 == 1 {
			parts[len(parts)-1] += `"` + quoted + `"`
			continue
		}
		for j, p := range strings.Split(quoted, "·") {
			if j == 0 && i > 0 {
				parts[len(parts)-1] += p
				continue
			}
			parts = append(parts, p)
		}
	}
	var said []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			said = append(said, p)
		}
	}
	return said
}

// names reads "vc-1 vc-3..vc-5, cb-1 and cb-2".
func names(s string) ([]string, error) {
	var all []string
	for _, f := range strings.Fields(strings.ReplaceAll(s, ",", " ")) {
		first, last, isRange := strings.Cut(f, "..")
		switch {
		case f == "and":
		case isRange:
			stem, from, ok := numbered(first)
			other, to, ok2 := numbered(last)
			if !ok || !ok2 || stem != other || from > to {
				return nil, fmt.Errorf("%q is no range of names", f)
			}
			for n := from; n <= to; n++ {
				all = append(all, fmt.Sprintf("%s%d", stem, n))
			}
		default:
			all = append(all, f)
		}
	}
	return all, nil
}

// numbered splits vc-12 into vc- and 12.
func numbered(s string) (stem string, n int, ok bool) {
	i := strings.LastIndex(s, "-") + 1
	_, err := fmt.Sscanf(s[i:], "%d", &n)
	return s[:i], n, err == nil
}

// groups reads "{cb-1 cb-2} {cb-3 cb-4}".
func groups(s string) ([][]farm.BrokerID, error) {
	var all [][]farm.BrokerID
	for rest := strings.TrimSpace(s); rest != ""; rest = strings.TrimSpace(rest) {
		in, after, closed := strings.Cut(rest, "}")
		in, opened := strings.CutPrefix(in, "{")
		if !opened || !closed {
			return nil, fmt.Errorf("%q is no list of {groups}", s)
		}
		ids, err := names(in)
		if err != nil {
			return nil, err
		}
		var group []farm.BrokerID
		for _, id := range ids {
			group = append(group, farm.BrokerID(id))
		}
		all, rest = append(all, group), after
	}
	return all, nil
}
