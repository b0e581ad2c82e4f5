package farm_test

import (
	"strings"
	"testing"
)

// A case that says what nobody understands fails, naming the line.
func TestFaultyCasesAreRefused(t *testing.T) {
	const site = "name a case\nseats cb-1 cb-2 cb-3\nowns vc-1=cb-1@1\n"
	for _, c := range []struct{ text, fault string }{
		{"seats cb-1\n", `x.txt:1: a case begins with its name, not with "seats"`},
		{"name\nseats cb-1\nwant ha off\n", "x.txt:1: a case needs a name"},
		{"name a\nseats cb-1\n", "x.txt:1: the case does not end with what is wanted"},
		{site + "brokers cb-1\nwant nothing\n", `x.txt:4: unknown word "brokers"`},
		{site + "want nothing\nsite tieBreaker=none\nwant nothing\n", `x.txt:5: "site" says how the Site is`},
		{site + "site colour=red\nwant nothing\n", `x.txt:4: a Site has no setting "colour"`},
		{site + "offline cb-9\nwant nothing\n", `x.txt:4: there is no broker or Provider "cb-9"`},
		{site + "prefers vc-1=cb-9\nwant nothing\n", `x.txt:4: there is no broker "cb-9"`},
		{site + "pinned vc-9=cb-1\nwant nothing\n", `x.txt:4: there is no Provider "vc-9"`},
		{site + "providers vc-3..vc-2\nwant nothing\n", `x.txt:4: "vc-3..vc-2" is no range of names`},
		{site + "contact cb-1\nwant nothing\n", `x.txt:4: "cb-1" is no list of {groups}`},
		{site + "contact {cb-1 cb-7}\nwant nothing\n", `x.txt:4: there is no broker "cb-7"`},
		{site + "then cb-1 explodes\nwant nothing\n", `x.txt:4: nothing known happens in "cb-1 explodes"`},
		{site + "then cb-9 dies\nwant nothing\n", `x.txt:4: cb-9 dies: there is no broker "cb-9"`},
		{site + "then cb-1 returns\nwant nothing\n", `x.txt:4: cb-1 returns: cb-1: online is true`},
		{site + "then vc-1 is handed over\nwant nothing\n", `x.txt:4: vc-1 is handed over: no handover of vc-1 is under way`},
		{site + "want\n  vc-1 stays\n  peace\n", `x.txt:6: want peace: nothing known is wanted`},
		{site + "want vc-1 cb-9\n", `x.txt:4: want vc-1 cb-9: nobody is called "cb-9"`},
		{site + "want vc-9 stays\n", `x.txt:4: want vc-9 stays: there is no Provider "vc-9"`},

		// What is wanted and is not so, and what is so and was not wanted.
		{site + "want vc-1 cb-1@2\n", `x.txt:4: want vc-1 cb-1@2: epoch: 1`},
		{site + "want ha lost\n", `x.txt:4: want ha lost: ha: on`},
		{site + "want ha on (tie-breaker)\n", `the reason is "all-seats-occupied"`},
		{site + "want ha on \"four\"\n", `it says "3 of 3 seats`},
		{site + "then cb-1 dies\nwant ha degraded\n", `x.txt:5: it is decided as well: vc-1 cb-2@2 (broker-offline)`},
		{site + "then cb-1 dies\nwant vc-1 cb-2\n", `x.txt:5: high availability goes from on to degraded (seat-empty) as well`},
		{site + "then cb-1 dies\nwant nothing\n", `x.txt:5: want nothing: something is decided`},
		{site + "then the operator disables cb-1\nwant vc-1 stays\n", `x.txt:5: the change is refused: would-turn-off-high-availability`},
		{site + "then the operator drains cb-1\nwant forbidden broker-online\n", `x.txt:5: want forbidden broker-online: it is allowed`},
		{site + "then nothing new happens\nwant vc-1 refused\n", `x.txt:5: want vc-1 refused: vc-1 is not refused`},
		{"name a\nseats cb-1 cb-2\nproviders vc-1\nthen cb-2 dies\nwant nothing\n", `x.txt:1: the Site is not at rest to begin with: it is decided as well: vc-1 cb-1@1`},
	} {
		stories, err := parse("x.txt", strings.NewReader(c.text))
		for _, s := range stories {
			if err == nil {
				err = tell(s)
			}
		}
		if err == nil || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%q:\ngot  %v\nwant %s", c.text, err, c.fault)
		}
	}
}
