package etcd

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/quorate/quorate/farm"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/etcd/etcdtest"
)

// What was written in format 1 lies in testdata for ever: every kind of key,
// with every field. It was made once, by the code of that time, with
//
//	go test ./store/etcd -run Format -freeze
//
// and is not made again. A new format gets files and structs of its own.
var freeze = flag.Bool("freeze", false, "write the stored format of today to testdata, where it is not yet")

const (
	frozenFile   = "testdata/format-1.txt"
	frozenKeyset = "testdata/format-1.keyset.json"
	frozenSecret = "pass:word"
)

func day(n int) time.Time { return time.Date(2026, 11, n, 12, 30, 15, 125e6, time.UTC) }

// frozen is the Farm in testdata.
type frozen struct {
	site      farm.Site
	brokers   []farm.Broker
	providers []farm.Provider
	presence  []farm.Presence
	seats     farm.Seats
	owners    map[farm.ProviderID]farm.Ownership
	reports   map[farm.ProviderID]farm.Report
	hosts     []farm.Host // of vc-1
	events    []farm.Event
	token     store.Token
}

// frozenToken is the hash of qr_a-token-for-this-test-only.
const frozenToken = store.TokenHash("a95071207b9881e7684c59508d851af75f8e5203a22dfaafcd667bfbd874c8a3")

func frozenFarm() frozen {
	return frozen{
		site: farm.Site{
			ID: "hq", Name: "Headquarters", Description: "Berlin\n2nd floor",
			Failback:   farm.Failback{Mode: farm.FailbackManual, HoldDown: 90 * time.Second},
			TieBreaker: farm.TieBreakerPriority, Failsafe: true, MaxParallelMoves: 3, CreatedAt: day(1), UpdatedAt: day(2),
		},
		brokers: []farm.Broker{
			{ID: "cb-1", Address: "https://10.0.0.1:8080", Mode: farm.ModeActive, Enabled: true, CreatedAt: day(1), UpdatedAt: day(1)},
			{ID: "cb-2", Mode: farm.ModeActive, Priority: 1, Enabled: true, CreatedAt: day(1), UpdatedAt: day(1)},
			{ID: "cb-3", Mode: farm.ModeActive, Priority: 2, Enabled: true, CreatedAt: day(1), UpdatedAt: day(1)},
			{ID: "cb-4", Name: "Spare", Description: "in the <cellar>", Address: "https://10.0.0.4:8080", Mode: farm.ModeStandby,
				Priority: 3, Enabled: true, Draining: true, CreatedAt: day(2), UpdatedAt: day(3)},
		},
		providers: []farm.Provider{
			{ID: "pc-1", Type: "remotepc", Options: json.RawMessage(`{"machines":[{"address":"127.0.0.1:1","id":"pc-1"}]}`), Enabled: true,
				Preferred: farm.Automatic, CreatedAt: day(2), UpdatedAt: day(2)},
			{ID: "vc-1", Name: "vCenter Berlin", Description: "the \"large\" one", Type: "vsphere", Address: "https://127.0.0.1:1/sdk",
				Username: "svc-vdi", Options: json.RawMessage(`{"insecureSkipVerify":true}`), Enabled: true,
				Preferred: farm.Manual("cb-1"), MovedTo: "cb-2", CreatedAt: day(2), UpdatedAt: day(4)},
		},
		presence: []farm.Presence{
			{Broker: "cb-1", Address: "https://10.0.0.1:8080", Version: "v1.0.0", Since: day(5)},
			{Broker: "cb-2", Address: "https://10.0.0.2:8080", Version: "v1.0.0", Since: day(5), Leaving: true},
		},
		seats: farm.Seats{
			Armed: true, Seats: []farm.Seat{{Broker: "cb-1", Occupant: "cb-1"}, {Broker: "cb-2", Occupant: "cb-2"}, {Broker: "cb-3"}},
			Serving: []farm.BrokerID{"cb-1", "cb-2"}, State: farm.StateDegraded, Reason: "seat-empty", Message: "2 of 3 seats are occupied.",
			Since: day(5), Epoch: 17, Returns: map[farm.BrokerID]farm.Return{"cb-3": {Held: true, Flaps: 2, Incarnation: 41}},
			Online: map[farm.BrokerID]farm.Incarnation{"cb-1": 12, "cb-2": 31},
		},
		owners: map[farm.ProviderID]farm.Ownership{
			"pc-1": {Broker: "cb-2", Incarnation: 31, Epoch: 7, Since: day(5), Reason: farm.ReasonInitial, Message: "It is new."},
			"vc-1": {Broker: "cb-1", Incarnation: 12, Epoch: 42, Since: day(5), Reason: farm.ReasonBrokerOffline, Message: "Broker cb-3 is offline.",
				Home: "cb-3", Target: "cb-2", TargetIncarnation: 31, TargetReason: farm.ReasonRebalance, TargetMessage: "To spread them.",
				TargetHome: "cb-3", Releasing: "cb-3", ReleasingIncarnation: 9},
			"gone": {Epoch: 5, Since: day(3), Reason: farm.ReasonProviderDeleted, Message: "It was deleted."},
		},
		reports: map[farm.ProviderID]farm.Report{
			"vc-1": {Epoch: 42, State: farm.Failed, Reason: farm.ReasonInvalidCredentials, Message: "The password is wrong.", Since: day(6), Hosts: 2, UsableHosts: 1},
		},
		hosts: []farm.Host{
			{ID: "vm/ä 1", Name: "vdi 1", State: farm.HostOn, Addresses: []string{"10.1.0.1", "fe80::1"}, GuestOS: "Windows", Maintenance: true, AsOf: day(6), Epoch: 42},
			{ID: "vm-2", State: farm.HostSuspended, AsOf: day(6), Epoch: 41},
		},
		events: []farm.Event{
			{ID: "0000000000001-000-00000001", Time: day(6), Type: farm.EventOwnerChanged, Subject: "providers/vc-1", From: "cb-3", To: "cb-1",
				Epoch: 42, Reason: farm.ReasonBrokerOffline, Message: "Broker cb-3 is offline.", Cause: "brokers/cb-3"},
		},
		token: store.Token{Name: "root", CreatedAt: day(1)},
	}
}

// line is one key, less its prefix, and its value.
type line struct{ key, value string }

func (l line) kind() string {
	kind, _, _ := strings.Cut(l.key, "/")
	return kind
}

// encoded is the Farm as today's code writes it; what is sealed aside, which is
// another text each time.
func (f frozen) encoded(t *testing.T) []line {
	t.Helper()
	var all []line
	add := func(key string, value []byte, err error) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, line{key, string(value)})
	}
	put := func(key string) func([]byte, error) {
		return func(value []byte, err error) { add(key, value, err) }
	}
	k := keys{}
	put(k.format())(encode(formatRecord{1}))
	put(k.farm())(encode(farmRecord{"7Q2X5MNDN4"}))
	put(k.site("hq"))(encodeSite(f.site))
	put(k.seats("hq"))(encodeSeats(f.seats))
	put(k.coordinator("hq"))(encode(coordinatorRecord{"cb-1"}))
	put(k.token(frozenToken))(encodeToken(f.token))
	for _, b := range f.brokers {
		put(k.broker("hq", b.ID))(encodeBroker(b))
	}
	for _, p := range f.providers {
		put(k.provider("hq", p.ID))(encodeProvider(p))
	}
	for _, p := range f.presence {
		put(k.presence("hq", p.Broker))(encodePresence(p))
	}
	for id, o := range f.owners {
		put(k.owner("hq", id))(encodeOwner(o))
	}
	for id, r := range f.reports {
		put(k.report("hq", id))(encodeReport(r))
	}
	for _, h := range f.hosts {
		put(k.host("hq", "vc-1", h.ID))(encodeHost(h))
	}
	for _, e := range f.events {
		put(k.event("hq", e.ID))(encodeEvent(e))
	}
	return sorted(all)
}

func sorted(all []line) []line {
	slices.SortFunc(all, func(a, b line) int { return strings.Compare(a.key, b.key) })
	return all
}

func TestFormat1IsFrozen(t *testing.T) {
	if !*freeze {
		t.Skip("it is")
	}
	keyset, err := store.GenerateKeyset()
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := store.NewSealer(keyset)
	if err != nil {
		t.Fatal(err)
	}
	lines := frozenFarm().encoded(t)
	k := keys{DefaultPrefix}
	for key, secret := range map[string]string{k.secret("hq", "vc-1"): frozenSecret, k.proof(): proof} {
		sealed, err := sealer.Seal([]byte(secret), key)
		if err != nil {
			t.Fatal(err)
		}
		value, err := encode(secretRecord{sealed})
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line{strings.TrimPrefix(key, DefaultPrefix), string(value)})
	}
	text := "# Stored format 1: keys below " + DefaultPrefix + " and their values. See format_test.go.\n"
	for _, l := range sorted(lines) {
		text += l.key + "\t" + l.value + "\n"
	}
	for file, content := range map[string]string{frozenFile: text, frozenKeyset: string(keyset) + "\n"} {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(content); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func frozenLines(t *testing.T) []line {
	t.Helper()
	text, err := os.ReadFile(frozenFile)
	if err != nil {
		t.Fatal(err)
	}
	var all []line
	for _, l := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		key, value, _ := strings.Cut(l, "\t")
		all = append(all, line{key, value})
	}
	return all
}

// The file holds every kind of key, and each with every field that there was.
func TestFormat1IsWhole(t *testing.T) {
	there := map[string]map[string]bool{}
	for _, l := range frozenLines(t) {
		var value any
		if err := json.Unmarshal([]byte(l.value), &value); err != nil {
			t.Fatal(err)
		}
		if there[l.kind()] == nil {
			there[l.kind()] = map[string]bool{}
		}
		into := reflect.TypeOf(format1(l.kind())).Elem()
		note(value, into, "", there[l.kind()])
		d := json.NewDecoder(strings.NewReader(l.value))
		d.DisallowUnknownFields()
		if err := d.Decode(reflect.New(into).Interface()); err != nil {
			t.Errorf("%s: %v", l.key, err)
		}
	}
	for _, kind := range slices.Concat([]string{"format", "farm", "secret-key", kindToken}, kindsOne(), kindsMany()) {
		if kind == kindTask { // not in use yet
			continue
		}
		if there[kind] == nil {
			t.Errorf("there is no key of the kind %s", kind)
			continue
		}
		for _, name := range names(reflect.TypeOf(format1(kind)).Elem(), "") {
			if !there[kind][name] {
				t.Errorf("%s: no value has the field %s", kind, name)
			}
		}
	}
}

// names are the fields of a struct and of those in it, by their JSON names.
func names(t reflect.Type, at string) []string {
	switch {
	case t == reflect.TypeFor[time.Time](), t.Kind() != reflect.Struct && t.Kind() != reflect.Map && t.Kind() != reflect.Slice:
		return []string{at}
	case t.Kind() != reflect.Struct:
		return names(t.Elem(), at+"[]")
	}
	var all []string
	for i := range t.NumField() {
		all = append(all, names(t.Field(i).Type, at+"."+t.Field(i).Tag.Get("json"))...)
	}
	return all
}

// note notes the fields that a value has.
func note(value any, t reflect.Type, at string, there map[string]bool) {
	there[at] = true
	switch v := value.(type) {
	case []any:
		for _, inner := range v {
			note(inner, t.Elem(), at+"[]", there)
		}
	case map[string]any:
		for name, inner := range v {
			if t.Kind() == reflect.Map {
				note(inner, t.Elem(), at+"[]", there)
			} else if field, ok := tagged(t, name); ok {
				note(inner, field.Type, at+"."+name, there)
			}
		}
	case string:
		if t.Kind() == reflect.Slice { // bytes
			there[at+"[]"] = true
		}
	}
}

// tagged is a struct's field with a JSON name.
func tagged(t reflect.Type, name string) (reflect.StructField, bool) {
	if t.Kind() != reflect.Struct { // any text, such as options
		return reflect.StructField{}, false
	}
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("json") == name {
			return t.Field(i), true
		}
	}
	return reflect.StructField{}, false
}

// load puts lines into an etcd. What hangs on a broker's lease does so here.
func load(t *testing.T, srv *etcdtest.Server, lines []line) *Store {
	t.Helper()
	client, err := Dial(DialConfig{Endpoints: srv.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	lease, err := client.Grant(t.Context(), 60)
	if err != nil {
		t.Fatal(err)
	}
	// As it comes about: nobody is elected who is not there.
	lines = slices.Clone(lines)
	slices.SortStableFunc(lines, func(a, b line) int {
		last := func(l line) int { return strings.Count(l.kind(), kindCoordinator) }
		return last(a) - last(b)
	})
	for _, l := range lines {
		var on []clientv3.OpOption
		if k := l.kind(); k == kindPresence || k == kindCoordinator {
			on = append(on, clientv3.WithLease(lease.ID))
		}
		if _, err := client.Put(t.Context(), DefaultPrefix+l.key, l.value, on...); err != nil {
			t.Fatal(err)
		}
	}
	keyset, err := os.ReadFile(frozenKeyset)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := store.NewSealer(keyset)
	if err != nil {
		t.Fatal(err)
	}
	st, err := New(Config{Client: client, Sealer: sealer})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- st.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if _, err := st.Current(t.Context()); err != nil {
		t.Fatal(err)
	}
	return st
}

func TestFormat1IsRead(t *testing.T) {
	st := load(t, etcdtest.Start(t), frozenLines(t))
	want, got := frozenFarm(), st.Latest().Sites["hq"]
	is := func(what string, got, want any) {
		t.Helper()
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got)\n%s", what, d)
		}
	}
	is("Site", got.Site.Value, want.site)
	is("seats", got.Seats.Value, want.seats)
	is("coordinator", got.Coordinator.Broker, farm.BrokerID("cb-1"))
	is("counts", []int{len(got.Brokers), len(got.Providers), len(got.Presence), len(got.Owners), len(got.Reports), len(got.Hosts["vc-1"]), len(got.Events)},
		[]int{len(want.brokers), len(want.providers), len(want.presence), len(want.owners), len(want.reports), len(want.hosts), len(want.events)})
	for _, b := range want.brokers {
		is(string(b.ID), got.Brokers[b.ID].Value, b)
	}
	for _, p := range want.providers {
		is(string(p.ID), got.Providers[p.ID].Value, p)
	}
	for _, p := range want.presence {
		p.Incarnation = got.Presence[p.Broker].Incarnation
		is("presence", got.Presence[p.Broker], p)
	}
	for id, o := range want.owners {
		is("owner of "+string(id), got.Owners[id].Value, o)
	}
	for id, r := range want.reports {
		is("report on "+string(id), got.Reports[id], r)
	}
	for _, h := range want.hosts {
		is("Host "+string(h.ID), got.Hosts["vc-1"][h.ID], h)
	}
	for i, e := range want.events {
		e.Revision = got.Events[i].Revision
		is("event", got.Events[i], e)
	}
	is("token", st.Latest().Tokens, map[store.TokenHash]store.Token{frozenToken: want.token})
	is("the Farm's name", st.met(), record(`{"id":"7Q2X5MNDN4"}`))
	if err := st.CheckSecretKey(t.Context()); err != nil {
		t.Error(err)
	}
	secret, err := st.Secret(t.Context(), "hq", "vc-1")
	if err != nil || secret != frozenSecret {
		t.Errorf("secret %q, %v", secret, err)
	}
}

// Two versions side by side: what this one writes, one that knows format 1 as
// it was frozen reads as if it had written it itself.
func TestWhatIsWrittenTodayIsReadByFormat1(t *testing.T) {
	was := map[string]string{}
	for _, l := range frozenLines(t) {
		was[l.key] = l.value
	}
	for _, l := range frozenFarm().encoded(t) {
		then, now := format1(l.kind()), format1(l.kind())
		if err := json.Unmarshal([]byte(was[l.key]), then); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(l.value), now); err != nil {
			t.Errorf("%s: %v", l.key, err)
		}
		if d := cmp.Diff(then, now); d != "" {
			t.Errorf("%s (-then +now)\n%s", l.key, d)
		}
	}
}

// A newer version of the same format may have fields, and words in them, that
// this one does not know: it leaves them be, and decides with the rest.
func TestWordsOfANewerVersionDoNoHarm(t *testing.T) {
	var newer []line
	for _, l := range frozenLines(t) {
		if l.kind() != "format" && l.kind() != kindSecret && l.kind() != "secret-key" {
			l.value = foreign(t, l.value)
		}
		newer = append(newer, l)
	}
	st := load(t, etcdtest.Start(t), newer)
	p := st.Latest().Sites["hq"]
	if len(p.Brokers) != 4 || len(p.Providers) != 2 || len(p.Owners) != 3 || p.Owners["vc-1"].Value.Epoch != 42 || len(p.Events) != 1 {
		t.Fatalf("not all was read: %+v", p)
	}
	if p.Site.Value.TieBreaker != "of-the-future" || p.Hosts["vc-1"]["vm-2"].State != "of-the-future" {
		t.Errorf("the test does not do what it says: %+v", p.Site)
	}
	_ = p.SiteStatus()
	for id := range p.Brokers {
		_ = p.BrokerStatus(id)
	}
	for id := range p.Providers {
		_ = p.ProviderStatus(id)
	}
	_ = farm.Plan(farm.Situation{Picture: p, Now: day(7)})
	if _, err := p.Simulate(farm.Trial{}, farm.Bounds{}); err != nil {
		t.Error(err)
	}
}

// foreign gives a value a field, and words, that nobody knows.
func foreign(t *testing.T, value string) string {
	t.Helper()
	var o map[string]any
	d := json.NewDecoder(strings.NewReader(value))
	d.UseNumber()
	if err := d.Decode(&o); err != nil {
		t.Fatal(err)
	}
	o["ofTheFuture"] = map[string]any{"a": []int{1}}
	var replace func(map[string]any)
	replace = func(o map[string]any) {
		for name, v := range o {
			if inner, ok := v.(map[string]any); ok {
				replace(inner)
			}
			if slices.Contains([]string{"mode", "tieBreaker", "type", "state", "reason", "targetReason"}, name) {
				o[name] = "of-the-future"
			}
		}
	}
	replace(o)
	var out bytes.Buffer
	if err := json.NewEncoder(&out).Encode(o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
