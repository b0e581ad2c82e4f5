package e2e

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"sigs.k8s.io/yaml"
)

// The commands of docs/why.md are run as they stand there, but for the ports.
func TestWhyIsAnsweredAsItsPageSays(t *testing.T) {
	needs(t, "bash", "curl", "jq")
	promised := [][]string{
		{},
		{`"state": "connected"`, `"ownerReason": "initial"`, `"honored": true`},
		{`"broker": "cb-3"`, `→ cb-3, epoch \d+: preferred-available\.`, `cb-3 → cb-\d, epoch \d+: operator-drain\. Broker cb-3 is draining`},
		{`provider.owner-changed providers/vc-1: .*\(operator-drain\)`},
		{`"honored": false`, `"reason": "broker-draining"`, `Broker cb-3 is draining`},
		{`→ cb-3, epoch \d+: failback\.`},
		{`"reason": "operator-move"`, `The operator moved it to cb-2; unpin it to let it go to cb-3`},
		{`"reason": "broker-offline"`, `"longestOutage": "\d`, `"state": "degraded"`},
		{`"stoppable": (true|false)`, `"effects": \[`},
	}
	home := t.TempDir()
	s := startDev(t, filepath.Join(home, "out", "dev"), 4, "--lease-ttl=1s", "--hold-down=1s")
	s.awaitSite("everything is connected", allConnected)
	s.checkStory("docs/why.md", home, promised)
	var all string // a server has what it has done only
	for _, b := range s.facts().Brokers {
		all += body(t, b.URL+"/metrics")
	}
	checkMetrics(t, all)
}

// checkMetrics compares the metrics that documents and rules speak of with those
// that there are.
func checkMetrics(t *testing.T, metrics string) {
	t.Helper()
	var there []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (quorate_\w+)`).FindAllStringSubmatch(metrics, -1) {
		there = append(there, m[1])
	}
	there = append(there, "quorate_certificate_expiry_timestamp_seconds") // of servers with certificates
	told := map[string][]string{}
	for _, file := range []string{"../docs/operate.md", "../docs/quorate.rules.yml"} {
		for _, name := range regexp.MustCompile(`quorate_\w+[a-z]`).FindAllString(read(t, file), -1) {
			told[name] = append(told[name], file)
			if !slices.Contains(there, name) && name != "quorate_site" {
				t.Errorf("%s speaks of %s, which no server has: %v", file, name, there)
			}
		}
	}
	for _, name := range there {
		if !slices.Contains(told[name], "../docs/operate.md") {
			t.Errorf("docs/operate.md does not say what %s means", name)
		}
	}
}

// body is what a server answers.
func body(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(within(t, patience), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestEveryReasonIsExplained(t *testing.T) {
	files, err := filepath.Glob("../farm/*.go")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range files {
		for _, m := range regexp.MustCompile(`Reason\s*=\s*"([a-z-]+)"`).FindAllStringSubmatch(read(t, f), -1) {
			known[m[1]] = true
		}
	}
	if len(known) < 25 {
		t.Errorf("only %d reasons are found in farm", len(known))
	}
	told := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\|").FindAllStringSubmatch(read(t, "../docs/why.md"), -1) {
		told[m[1]] = true
		if !known[m[1]] {
			t.Errorf("docs/why.md explains %s, which is no reason", m[1])
		}
	}
	for reason := range known {
		if !told[reason] {
			t.Errorf("docs/why.md does not explain %s", reason)
		}
	}
}

func TestTheRulesAreWhatPrometheusReads(t *testing.T) {
	const file = "../docs/quorate.rules.yml"
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalStrict([]byte(read(t, file)), &rules); err != nil {
		t.Fatal(err)
	}
	manual := read(t, "../docs/operate.md")
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			for _, m := range regexp.MustCompile(`docs/operate\.md, ([^.]+)\.`).FindAllStringSubmatch(r.Annotations["do"], -1) {
				if !regexp.MustCompile(`(?mi)^## ` + regexp.QuoteMeta(m[1]) + `$`).MatchString(manual) {
					t.Errorf("%s: docs/operate.md has no heading %q", r.Alert, m[1])
				}
			}
			if r.Alert == "" || r.Expr == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("%s: a rule is not complete: %+v", g.Name, r)
			}
		}
	}
	if promtool, err := exec.LookPath("promtool"); err == nil {
		if out, err := exec.Command(promtool, "check", "rules", file).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}
