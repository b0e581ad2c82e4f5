package transfer

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
)

// told fails unless all that is wanted is in the error.
func told(t *testing.T, err error, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

func TestNoBeginningOfADocumentPassesForTheWhole(t *testing.T) {
	l := newLab(t)
	l.fill()
	text := l.export()
	for end := range len(text) - 1 { // less the last line's end it is whole
		if _, err := Decode([]byte(text[:end])); err == nil {
			t.Fatalf("accepted:\n%s", text[:end])
		}
	}
	if _, err := Decode([]byte("---\n" + text + "...\n# a comment\n")); err != nil {
		t.Errorf("the whole: %v", err)
	}
}

func TestEveryIDThatIsNoneIsTold(t *testing.T) {
	_, err := Decode([]byte(`format: quorate-configuration
version: 1
sites:
  hq: {brokers: {no: {}, UP: {}}, providers: {012: {}, x/../../../hq2: {}, vc-1: {}}}
  "hq/providers/inj":
  "": {brokers: {"1": {}}}
  0x10: {providers: {on: {}, "on": {}}}
complete: true
`))
	told(t, err, "sites/hq/brokers: YAML reads an ID as false", `sites/hq/brokers: "UP" must`, "sites/hq/providers: YAML reads an ID as 10,",
		`sites/hq/providers: "x/../../../hq2"`, `sites: "hq/providers/inj"`, `sites: "" must`, "sites: YAML reads an ID as 16", "sites/16/providers: YAML reads an ID as true")
	if lines := strings.Count(err.Error(), "\n"); lines != 8 {
		t.Errorf("%d lines in %v", lines, err)
	}
}

func TestAPasswordInTheDocumentIsThatOfTheProvider(t *testing.T) {
	l := newLab(t)
	l.fill()
	sealed, err := l.ExportWithSecrets(t.Context(), "", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	written := strings.NewReplacer(`username: "0123"`, `{username: "0123", password: new}`, "credentials:\n          {", "credentials: {")
	text := written.Replace(l.export())
	want := []string{"~ sites/hq/providers/vc-1 password: the one in the document"}
	same(t, l.must(text, Options{DryRun: true}).Differences, want)
	same(t, l.must(text, Options{}).Differences, want)
	if s, err := l.mem.Secret(t.Context(), "hq", "vc-1"); err != nil || s != "new" {
		t.Errorf("stored: %q, %v", s, err)
	}
	at := l.mem.Latest().Revision
	same(t, l.must(text, Options{}).Differences, []string(nil))
	if l.mem.Latest().Revision != at {
		t.Error("the same again changed something")
	}
	_, err = l.imports(written.Replace(l.text(sealed)), Options{Passphrase: "correct horse"})
	told(t, err, "sites/hq/providers/vc-1: the password in its credentials is not the one in the document's secrets")
	again, err := l.ExportWithSecrets(t.Context(), "", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	same(t, l.must(written.Replace(l.text(again)), Options{Passphrase: "correct horse"}).Differences, []string(nil))
}

func TestAPasswordThatIsNoneIsRefused(t *testing.T) {
	l := newLab(t)
	l.fill()
	d, _ := Decode([]byte(l.export()))
	d.Sites["hq"].Providers["vc-1"]["credentials"] = json.RawMessage(`{"username": "0123", "password": 5}`)
	_, err := l.Import(t.Context(), d, Options{})
	told(t, err, "sites/hq/providers/vc-1: /credentials/password")
}

func TestNothingIsPrunedByWhatIsNotSaid(t *testing.T) {
	l := newLab(t)
	l.fill()
	head, foot := "format: quorate-configuration\nversion: 1\nsites:\n  hq:\n    name: X\n", "complete: true\n"
	at := l.mem.Latest().Revision
	_, err := l.imports(head+foot, Options{Prune: true})
	told(t, err, "sites/hq has no brokers", "sites/hq has no providers")
	_, err = l.imports(head+"    providers: {}\n    brokers:\n"+foot, Options{Prune: true})
	told(t, err, "sites/hq has no brokers")
	if l.mem.Latest().Revision != at {
		t.Error("something was stored")
	}
	l.edit(store.Change{DeleteProvider: "vc-1"})
	l.edit(store.Change{PutProvider: &farm.Provider{ID: "vc-2", Type: "any", Preferred: farm.Manual("cb-2")}})
	d, _ := Decode([]byte(l.export()))
	clear(d.Sites["hq"].Providers)
	out, err := l.Import(t.Context(), d, Options{Prune: true})
	if err != nil {
		t.Fatal(err)
	}
	same(t, out.Differences, []string{"- sites/hq/providers/vc-2"})
}
