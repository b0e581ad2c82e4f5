package server_test

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/quorate/quorate"

// arrows say which of our packages each may import: itself and what is below it
// in docs/ARCHITECTURE.md. "x/..." is x's folders. A package that is not named
// here has no place in the house yet.
var arrows = []struct {
	name string
	may  []string
}{
	{"farm", nil},
	{"openapi", nil},
	{"openapi/gen", []string{"openapi"}},
	{"web", nil},
	{"store", []string{"farm"}},
	{"store/...", []string{"store", "farm", "store/..."}},
	{"provider", []string{"farm"}},
	{"provider/...", []string{"provider", "farm", "provider/..."}},
	{"broker", []string{"farm", "store", "provider"}},
	{"broker/model", nil},
	{"handlers", []string{"farm", "store"}},
	{"server", []string{"..."}},
	{"server/...", []string{"..."}},
	{"cmd/quorate", []string{"server", "server/..."}},
	{"e2e", []string{"..."}},
	{"e2e/...", []string{"..."}},
}

// pkg is what `go list` says of a package.
type pkg struct {
	ImportPath string
	Imports    []string
}

func ours(t *testing.T) []pkg {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
	if len(all) < 5 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}

func matches(pattern, name string) bool {
	under, wild := strings.CutSuffix(pattern, "...")
	if wild {
		return strings.HasPrefix(name, under)
	}
	return name == pattern
}

func TestEveryImportFollowsAnArrow(t *testing.T) {
	for _, p := range ours(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		i := slices.IndexFunc(arrows, func(a struct {
			name string
			may  []string
		}) bool {
			return matches(a.name, name)
		})
		if i < 0 {
			t.Errorf("%s has no place in the house: give it its arrows in docs/ARCHITECTURE.md and here", name)
			continue
		}
		for _, imported := range p.Imports {
			other, local := strings.CutPrefix(imported, module+"/")
			if !local {
				continue
			}
			if !slices.ContainsFunc(arrows[i].may, func(m string) bool { return matches(m, other) }) {
				t.Errorf("%s must not import %s", name, other)
			}
		}
	}
}

func TestOnlyTheStoreServerAndCommandsKnowEtcd(t *testing.T) {
	for _, p := range ours(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if slices.ContainsFunc([]string{"store/etcd", "store/etcd/...", "server", "server/...", "cmd/...", "e2e", "e2e/..."},
			func(m string) bool { return matches(m, name) }) {
			continue
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "go.etcd.io/") {
				t.Errorf("%s must not import %s: above store/etcd nobody has heard of etcd", name, imported)
			}
		}
	}
}

func TestFarmDoesNoInputOutputAndReadsNoClock(t *testing.T) {
	pure := []string{
		"bytes", "cmp", "container/", "encoding/json", "errors", "fmt", "iter", "maps", "math", "math/bits",
		"reflect", "regexp", "slices", "sort", "strconv", "strings", "time", "unicode", "unicode/utf8",
	}
	for _, p := range ours(t) {
		if p.ImportPath != module+"/farm" {
			continue
		}
		for _, imported := range p.Imports {
			if !slices.ContainsFunc(pure, func(ok string) bool {
				return imported == ok || strings.HasSuffix(ok, "/") && strings.HasPrefix(imported, ok)
			}) {
				t.Errorf("farm must not import %s: it is a leaf", imported)
			}
		}
		return
	}
	t.Error("there is no package farm")
}

// time is imported for durations; what reads the clock or waits is not for farm.
func TestFarmIsPassedTheTime(t *testing.T) {
	grep := exec.Command("grep", "-nE", `time\.(Now|Since|Until|Sleep|After|AfterFunc|NewTimer|NewTicker|Tick)\(|^\s*go func|\bgo [a-z]+\(`,
		"--include=*.go", "--exclude=*_test.go", "-r", "../farm")
	if out, err := grep.Output(); err == nil {
		t.Errorf("farm has no clock and no goroutine, but:\n%s", out)
	}
}
