package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/handlers"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/mem"
)

// anything is a kind of Provider that takes whatever it is given.
type anything struct{}

func (anything) Types() []handlers.ProviderType               { return []handlers.ProviderType{{ID: "any"}} }
func (anything) Check(farm.Provider, string) []handlers.Fault { return nil }
func (anything) Test(context.Context, farm.Provider, string) handlers.TestResult {
	return handlers.TestResult{}
}

// lab is a Farm in memory. before, if set, is called before each request that
// is for the Farm itself or for a rehearsal of it.
type lab struct {
	Farm
	t      *testing.T
	mem    *mem.Store
	before func(rehearsed bool, r *http.Request)
}

func newLab(t *testing.T) *lab {
	l := &lab{t: t, mem: mem.New()}
	l.Farm = Farm{Store: l.mem, Work: 10, API: func(st store.Store) (http.Handler, error) {
		c := handlers.DefaultConfig()
		c.Store, c.Kinds = st, anything{}
		api, err := handlers.New(c)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, rehearsed := st.(known).Store.(*rehearsal); l.before != nil {
				l.before(rehearsed, r)
			}
			api.ServeHTTP(w, r)
		}), err
	}}
	return l
}

func (l *lab) edit(c store.Change) {
	l.t.Helper()
	if _, err := l.mem.Edit(l.t.Context(), "hq", func(*farm.Picture) (store.Change, error) { return c, nil }); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) online(brokers ...farm.BrokerID) {
	l.t.Helper()
	for _, b := range brokers {
		s, err := l.mem.Register(l.t.Context(), "hq", farm.Presence{Broker: b}, time.Hour)
		if err != nil {
			l.t.Fatal(err)
		}
		l.t.Cleanup(func() { _ = s.Close(context.Background()) })
	}
}

// fill makes Site hq with four brokers, three of them online, and Providers
// with a secret, without one, and with texts that YAML could take for others.
func (l *lab) fill() {
	l.t.Helper()
	s := farm.NewSite("hq")
	s.Name, s.Description, s.Failback.HoldDown = "no", "line one\n  line two: {\"a\": 1}\n\n# no comment", 90*time.Second
	c := store.Change{PutSite: &s}
	for i, id := range []farm.BrokerID{"cb-1", "cb-2", "cb-3", "cb-4"} {
		mode := farm.ModeActive
		if i == 3 {
			mode = farm.ModeStandby
		}
		c.PutBrokers = append(c.PutBrokers, farm.Broker{ID: id, Mode: mode, Priority: i, Enabled: i != 2, Address: "https://" + string(id)})
	}
	c.PutBrokers[2].Enabled = true
	l.edit(c)
	secret := "p: \"ss\n"
	l.edit(store.Change{PutProvider: &farm.Provider{ID: "vc-1", Type: "any", Address: "https://vc-1", Username: "0123", Enabled: true,
		Options:   json.RawMessage(`{"big":9007199254740993,"deep":{"list":[1,"a",{"b":null}]},"pem":"---\nA\n---\n","yes":"yes","<&>":"é😀"}`),
		Preferred: farm.Automatic, Description: "1e3"}, Secret: &secret})
	l.edit(store.Change{PutProvider: &farm.Provider{ID: "vc-2", Type: "any", Username: "u", Preferred: farm.Manual("cb-2"), Name: "~"}})
	l.online("cb-1", "cb-2", "cb-3")
}

func (l *lab) export() string {
	l.t.Helper()
	d, err := l.Export(l.t.Context(), "")
	if err != nil {
		l.t.Fatal(err)
	}
	return l.text(d)
}

func (l *lab) text(d Document) string {
	l.t.Helper()
	text, err := d.Encode()
	if err != nil {
		l.t.Fatal(err)
	}
	return string(text)
}

func (l *lab) imports(text string, o Options) (Outcome, error) {
	l.t.Helper()
	d, err := Decode([]byte(text))
	if err != nil {
		l.t.Fatalf("%v\n%s", err, text)
	}
	return l.Import(l.t.Context(), d, o)
}

// must imports what must be accepted.
func (l *lab) must(text string, o Options) Outcome {
	l.t.Helper()
	out, err := l.imports(text, o)
	if err != nil {
		l.t.Fatalf("%v\n%s", err, text)
	}
	return out
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestADocumentMakesAnotherFarmTheSame(t *testing.T) {
	one, two := newLab(t), newLab(t)
	one.fill()
	text := one.export()
	two.online("cb-1", "cb-2", "cb-3")
	out := two.must(text, Options{})
	same(t, two.export(), text)
	same(t, out.Lacking, []string{"sites/hq/providers/vc-1", "sites/hq/providers/vc-2"})
	if o := two.mem.Latest().Sites["hq"].Providers["vc-1"].Value.Options; !strings.Contains(string(o), "9007199254740993") {
		t.Errorf("options: %s", o)
	}

	at := two.mem.Latest().Revision
	again := two.must(text, Options{Prune: true})
	if len(again.Differences) > 0 || two.mem.Latest().Revision != at {
		t.Errorf("a second import changed %q", again.Differences)
	}
	e := two.mem.Latest().Sites["hq"].Events
	if last := e[len(e)-1]; last.Cause != "tokens/import" || last.Message == "" {
		t.Errorf("event: %+v", last)
	}
}

func TestWhatIsExportedIsOfOneRevision(t *testing.T) {
	l := newLab(t)
	l.fill()
	want := l.export()
	l.before = func(bool, *http.Request) {
		l.edit(store.Change{PutProvider: &farm.Provider{ID: "vc-1", Type: "any", Address: "changed", Preferred: farm.Automatic}})
		l.edit(store.Change{DeleteProvider: "vc-2"})
	}
	same(t, l.export(), want)
}

func TestOneSiteAloneIsExported(t *testing.T) {
	l := newLab(t)
	l.fill()
	whole := l.export()
	lab := farm.NewSite("lab")
	if _, err := l.mem.Edit(t.Context(), "lab", func(*farm.Picture) (store.Change, error) { return store.Change{PutSite: &lab}, nil }); err != nil {
		t.Fatal(err)
	}
	d, err := l.Export(t.Context(), "hq")
	if err != nil {
		t.Fatal(err)
	}
	same(t, l.text(d), whole)
	same(t, l.must(whole, Options{Prune: true}).Left, []string{"sites/lab"})
	if _, err := l.Export(t.Context(), "ho"); err == nil || !strings.Contains(err.Error(), `no Site "ho"`) {
		t.Errorf("got %v", err)
	}
}

func TestADryRunShowsWhatWouldChangeAndStoresNothing(t *testing.T) {
	l := newLab(t)
	l.fill()
	text := strings.Replace(l.export(), `description: "1e3"`, "description: changed", 1)
	text = strings.Replace(text, "holdDown: 1m30s", "holdDown: 5s", 1)
	text = strings.Replace(text, "options: {}", "options: {deep: {new: 1}}", 1)
	at := l.mem.Latest().Revision
	out := l.must(text, Options{DryRun: true})
	want := []string{
		`~ sites/hq failback.holdDown: "1m30s" → "5s"`,
		`~ sites/hq/providers/vc-1 description: "1e3" → "changed"`,
		`- sites/hq/providers/vc-2 options: {}`,
		`+ sites/hq/providers/vc-2 options.deep.new: 1`,
	}
	same(t, out.Differences, want)
	if l.mem.Latest().Revision != at {
		t.Error("something was stored")
	}
	same(t, l.must(text, Options{}).Differences, want)
	same(t, l.must(text, Options{DryRun: true}).Differences, []string(nil))
}

func TestWhatIsRefusedChangesNothingAndAllOfItIsTold(t *testing.T) {
	l := newLab(t)
	l.fill()
	text := l.export()
	for old, wrong := range map[string]string{
		"holdDown: 1m30s":   "holdDown: 90",
		"mode: standby":     "mode: asleep",
		"broker: cb-2":      "broker: cb-7",
		"      name: \"~\"": "      nmae: \"~\"",
	} {
		if !strings.Contains(text, old) {
			t.Fatalf("no %q in\n%s", old, text)
		}
		text = strings.Replace(text, old, wrong, 1)
	}
	at := l.mem.Latest().Revision
	_, err := l.imports(strings.Replace(text, "holdDown: 90", "holdDown: 9s", 1), Options{})
	for _, want := range []string{"nothing was changed", "sites/hq/brokers/cb-4: /mode must be one of active, standby",
		"sites/hq/providers/vc-2: /nmae is not known here"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	_, err = l.imports(text, Options{})
	if err == nil || !strings.Contains(err.Error(), "sites/hq: /failback/holdDown must be a duration") || strings.Contains(err.Error(), "vc-2") {
		t.Errorf("got %v", err)
	}
	if l.mem.Latest().Revision != at {
		t.Error("something was stored")
	}
}

func TestAutomaticProvidersWaitForTheirBrokers(t *testing.T) {
	one, two := newLab(t), newLab(t)
	one.fill()
	text := one.export()
	_, err := two.imports(text, Options{})
	if err == nil || !strings.Contains(err.Error(), "Start the brokers of Site hq, which join it by themselves, and import again.") ||
		!strings.Contains(err.Error(), "sites/hq/providers/vc-1") {
		t.Errorf("got %v", err)
	}
	if two.mem.Latest().Sites["hq"] != nil {
		t.Error("something was stored")
	}
}

func TestWhatIsNotInTheDocumentIsLeftAloneOrPruned(t *testing.T) {
	l := newLab(t)
	l.fill()
	text := l.export()
	l.edit(store.Change{PutBrokers: []farm.Broker{{ID: "cb-9", Mode: farm.ModeStandby, Enabled: true}}})
	l.edit(store.Change{PutProvider: &farm.Provider{ID: "vc-9", Type: "any", Preferred: farm.Manual("cb-9")}})
	out := l.must(text, Options{})
	same(t, out, Outcome{Left: []string{"sites/hq/brokers/cb-9", "sites/hq/providers/vc-9"}, Lacking: []string{"sites/hq/providers/vc-2"}})
	out = l.must(text, Options{Prune: true})
	same(t, out.Differences, []string{"- sites/hq/providers/vc-9", "- sites/hq/brokers/cb-9"})
	same(t, l.export(), text)

	l.online("cb-4")
	d, _ := Decode([]byte(text))
	delete(d.Sites["hq"].Brokers, "cb-4")
	if _, err := l.Import(t.Context(), d, Options{Prune: true}); err == nil || !strings.Contains(err.Error(), "Broker cb-4 is online") {
		t.Errorf("pruning a broker that is online: %v", err)
	}
}

// Armed with three seats, of which one moves from cb-3 to cb-4.
func TestSeatsMoveWithoutTheSiteHavingTooFew(t *testing.T) {
	l := newLab(t)
	l.fill()
	s, err := l.mem.Register(t.Context(), "hq", farm.Presence{Broker: "cb-4"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	term, err := s.Campaign(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := term.Apply(t.Context(), farm.Stored[farm.Seats]{}, &farm.Seats{Armed: true}, nil, nil); err != nil {
		t.Fatal(err)
	}
	d, _ := Decode([]byte(l.export()))
	d.Sites["hq"].Brokers["cb-1"]["mode"] = json.RawMessage(`"standby"`)
	if _, err := l.Import(t.Context(), d, Options{}); err == nil || !strings.Contains(err.Error(), "--accept-high-availability-loss") {
		t.Errorf("got %v", err)
	}
	if _, err := l.Import(t.Context(), d, Options{DryRun: true, AcceptHighAvailabilityLoss: true}); err != nil {
		t.Errorf("the loss was accepted: %v", err)
	}
	d.Sites["hq"].Brokers["cb-4"]["mode"] = json.RawMessage(`"active"`)
	if _, err := l.Import(t.Context(), d, Options{}); err != nil {
		t.Errorf("a seat moves: %v", err)
	}
}

func TestAnImportThatEndsHalfWaySaysHowFarItCame(t *testing.T) {
	l := newLab(t)
	l.fill()
	text := strings.NewReplacer("holdDown: 1m30s", "holdDown: 5s", `"1e3"`, `"1e4"`, "https://cb-1", "https://cb-8").Replace(l.export())
	l.before = func(rehearsed bool, r *http.Request) {
		if !rehearsed && strings.HasSuffix(r.URL.Path, "/cb-1") {
			l.before = nil
			l.edit(store.Change{PutBrokers: []farm.Broker{{ID: "cb-1", Mode: farm.ModeActive, Enabled: true, Name: "somebody's"}}})
		}
	}
	_, err := l.imports(text, Options{})
	for _, want := range []string{"sites/hq/brokers/cb-1: If-Match is", "  done: sites/hq\n", "  not done: sites/hq/brokers/cb-1, sites/hq/providers/vc-1\n", "Import again"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	l.must(text, Options{})
	same(t, l.export(), text)
}

func TestWhatIsThereIsLeftAsItIsIfAskedTo(t *testing.T) {
	l := newLab(t)
	l.fill()
	text := l.export()
	l.edit(store.Change{DeleteProvider: "vc-2"})
	secret := "another"
	l.edit(store.Change{Secret: &secret, PutProvider: &farm.Provider{ID: "vc-1", Type: "any", Name: "changed meanwhile", Preferred: farm.Automatic}})
	l.must(text, Options{OnlyNew: true})
	p := l.mem.Latest().Sites["hq"].Providers
	if p["vc-1"].Value.Name != "changed meanwhile" || p["vc-2"].Value.Username != "u" {
		t.Errorf("%+v", p)
	}
	if out := l.must(text, Options{OnlyNew: true, Prune: true}); len(out.Differences) != 0 {
		t.Errorf("again: %v", out.Differences)
	}
}

func TestSecretsTravelSealed(t *testing.T) {
	one, two := newLab(t), newLab(t)
	one.fill()
	d, err := one.ExportWithSecrets(t.Context(), "", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	text := one.text(d)
	plain := one.export()
	if !strings.HasPrefix(text, strings.TrimSuffix(plain, "complete: true\n")+"secrets: |\n  -----BEGIN AGE ENCRYPTED FILE-----\n") || strings.Contains(text, "ss\n") {
		t.Errorf("the document:\n%s", text)
	}
	two.online("cb-1", "cb-2", "cb-3")
	for passphrase, want := range map[string]error{"wrong horse": ErrPassphrase, "": ErrNoPassphrase} {
		if _, err := two.imports(text, Options{Passphrase: passphrase}); !errors.Is(err, want) {
			t.Errorf("passphrase %q: %v", passphrase, err)
		}
	}
	if len(two.mem.Latest().Sites) > 0 {
		t.Error("something was stored")
	}
	two.must(text, Options{Passphrase: "correct horse"})
	secret := func() string {
		s, err := two.mem.Secret(t.Context(), "hq", "vc-1")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	same(t, secret(), "p: \"ss\n")
	at := two.mem.Latest().Revision
	two.must(text, Options{Passphrase: "correct horse"})
	two.must(plain, Options{})
	if secret() != "p: \"ss\n" || two.mem.Latest().Revision != at {
		t.Error("a second import, or one without secrets, changed something")
	}
	other := "another"
	two.edit(store.Change{PutProvider: &[]farm.Provider{two.mem.Latest().Sites["hq"].Providers["vc-1"].Value}[0], Secret: &other})
	out := two.must(text, Options{Passphrase: "correct horse"})
	same(t, out.Differences, []string{"~ sites/hq/providers/vc-1 password: the one in the document"})
	same(t, secret(), "p: \"ss\n")
}

func TestAnotherAddressNeedsThePasswordAgain(t *testing.T) {
	l := newLab(t)
	l.fill()
	d, err := l.ExportWithSecrets(t.Context(), "", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	move := strings.NewReplacer("address: https://vc-1", "address: https://vc-9")
	if _, err := l.imports(move.Replace(l.export()), Options{}); err == nil || !strings.Contains(err.Error(), "/credentials/password is required") {
		t.Errorf("without passwords: %v", err)
	}
	if _, err := l.imports(move.Replace(l.text(d)), Options{Passphrase: "correct horse"}); err == nil || !strings.Contains(err.Error(), `at "https://vc-9"`) {
		t.Errorf("with a password for another address: %v", err)
	}
	user := strings.NewReplacer("username: ", "username: x")
	if _, err := l.imports(user.Replace(l.text(d)), Options{Passphrase: "correct horse"}); err == nil || !strings.Contains(err.Error(), `the document says user "x`) {
		t.Errorf("with a password for another user: %v", err)
	}
	anew := strings.Replace(move.Replace(l.text(d)), "username: ", "password: anew\n          username: ", 1)
	out := l.must(anew, Options{Passphrase: "correct horse"})
	same(t, out.Differences, []string{`~ sites/hq/providers/vc-1 address: "https://vc-1" → "https://vc-9"`, "~ sites/hq/providers/vc-1 password: the one in the document"})
}

func TestASecretIsThatOfTheAddressItIsExportedWith(t *testing.T) {
	l := newLab(t)
	l.fill()
	l.before = func(bool, *http.Request) { // once the View stands still
		l.before = nil
		next, secret := l.mem.Latest().Sites["hq"].Providers["vc-1"].Value, "another"
		next.Address = "https://another"
		l.edit(store.Change{PutProvider: &next, Secret: &secret})
	}
	d, err := l.ExportWithSecrets(t.Context(), "", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := d.open("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	same(t, string(d.Sites["hq"].Providers["vc-1"]["address"]), `"https://another"`)
	same(t, secrets["hq/vc-1"], "another")
}

// locked is a Farm whose secrets this process cannot read.
type locked struct{ store.Store }

func (locked) Secret(context.Context, farm.SiteID, farm.ProviderID) (string, error) {
	return "", store.ErrSecretKey
}

func TestWhoHasNoSecretKeyChangesWhatNeedsNone(t *testing.T) {
	l := newLab(t)
	l.fill()
	text := strings.Replace(l.export(), "holdDown: 1m30s", "holdDown: 5s", 1)
	l.Store = locked{l.mem}
	same(t, l.must(text, Options{}).Differences, []string{`~ sites/hq failback.holdDown: "1m30s" → "5s"`})
	_, err := l.imports(strings.Replace(text, "address: https://vc-1", "address: https://vc-9", 1), Options{})
	if err == nil || !strings.Contains(err.Error(), "/credentials/password is required") {
		t.Errorf("got %v", err)
	}
}

func TestADocumentThatIsNoneIsRefused(t *testing.T) {
	head, foot := "format: quorate-configuration\nversion: 1\n", "complete: true\n"
	for text, want := range map[string]string{
		"":                                     `its format is ""`,
		"a: [":                                 "cannot be read",
		"format: other":                        `its format is "other"`,
		head + foot:                            "holds no Site",
		head + "sites: {hq: }\n":               "has no last line `complete: true`",
		head + "complete: true\nsites: {hq: }": "has no last line `complete: true`",
		head + "sites: {hq: }\ncomplete: tr":   "cannot be read",
		head + "sites: {hq: }\n" + foot + "---\n" + head + "sites: {lab: }\n" + foot: "several parts",
		head + "farm: {}\n":                                        `unknown field "farm"`,
		head + "sites:\n  hq: 5\n":                                 "cannot be read",
		head + "sites:\n  hq: {}\n  hq: {}\n":                      `"hq" already set`,
		head + "sites: {hq: {brokers: []}}\n":                      "brokers",
		"format: quorate-configuration\nversion: 2\nsites: {hq: }": "version 2",
	} {
		if _, err := Decode([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestAShortDocumentGetsTheDefaults(t *testing.T) {
	l := newLab(t)
	l.must("format: quorate-configuration\nversion: 1\nsites:\n  hq:\n    brokers:\n      cb-1:\ncomplete: true\n", Options{})
	p := l.mem.Latest().Sites["hq"]
	if p.Site.Value.MaxParallelMoves != farm.DefaultMaxParallelMoves || p.Brokers["cb-1"].Value.Mode != farm.ModeActive {
		t.Errorf("got %+v, %+v", p.Site, p.Brokers)
	}
}
