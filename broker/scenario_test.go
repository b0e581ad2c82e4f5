package broker

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/farm"
)

var update = flag.Bool("update", false, "write what the scenarios tell now into their files")

// scenario is a script with what it must tell.
type scenario struct {
	name   string
	file   string
	source []string // its lines, without the log
	log    []string
	script
}

// Each scenario tells exactly what its file says. The language is described in
// testdata/scenarios/README.md.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	names := map[string]bool{}
	for _, file := range files {
		scenarios := readScenarios(t, file)
		t.Cleanup(func() { writeScenarios(t, file, scenarios) })
		for _, sc := range scenarios {
			if names[sc.name] {
				t.Errorf("%s: %q is there twice", file, sc.name)
			}
			names[sc.name] = true
			t.Run(sc.name, func(t *testing.T) {
				t.Parallel()
				story, faults := sc.play(t, nil)
				for _, f := range faults {
					t.Errorf("%s: %s", file, f)
				}
				if *update {
					sc.log = story
				} else if !slices.Equal(story, sc.log) {
					t.Errorf("%s: it tells\n%s\nwant\n%s", file, strings.Join(story, "\n"), strings.Join(sc.log, "\n"))
				}
			})
		}
	}
}

func readScenarios(t *testing.T, file string) (all []*scenario) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var sc *scenario
	var before []string // comments above a name
	for n, text := range strings.Split(strings.TrimRight(string(content), "\n"), "\n") {
		word, rest, _ := strings.Cut(text, " ")
		rest = strings.TrimSpace(rest)
		switch {
		case strings.HasPrefix(text, "#") || text == "":
			before = append(before, text)
			continue
		case word == "name":
			sc = &scenario{name: rest, file: file, source: before}
			before = nil
			all = append(all, sc)
		case sc == nil:
			t.Fatalf("%s:%d: a scenario begins with its name", file, n+1)
		case word == "":
			sc.log = append(sc.log, text)
			continue
		case word == "log":
			continue
		default:
			if err := sc.read(word, rest); err != nil {
				t.Fatalf("%s:%d: %v", file, n+1, err)
			}
		}
		sc.source = append(append(sc.source, before...), text)
		before = nil
	}
	return all
}

func (sc *scenario) read(word, rest string) (err error) {
	split := func() (out ids) {
		for _, id := range strings.Fields(rest) {
			out = append(out, farm.BrokerID(id))
		}
		return out
	}
	switch word {
	case "active":
		sc.active = split()
	case "standby":
		sc.standby = split()
	case "site":
		sc.settings = strings.Fields(rest)
	case "has":
		sc.providers = strings.Fields(rest)
	case "fresh":
		sc.fresh = true
	case "until":
		sc.until, err = time.ParseDuration(rest)
	case "at":
		at, text, _ := strings.Cut(rest, " ")
		c := command{text: strings.TrimSpace(text)}
		c.at, err = time.ParseDuration(at)
		sc.commands = append(sc.commands, c)
	default:
		err = fmt.Errorf("what is %q?", word)
	}
	return err
}

// writeScenarios writes a file with what its scenarios tell now, if that is wanted.
func writeScenarios(t *testing.T, file string, all []*scenario) {
	if !*update || t.Failed() {
		return
	}
	var b strings.Builder
	for _, sc := range all {
		for _, text := range slices.Concat(sc.source, []string{"log"}, sc.log) {
			fmt.Fprintln(&b, text)
		}
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Error(err)
	}
}
