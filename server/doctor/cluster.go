package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quorate/quorate/store/etcd"
)

// judgeMembers says what a cluster of that many voting members can bear, of
// which some may be away already.
func judgeMembers(members []etcd.ClusterMember, answers []etcd.Answer) Finding {
	const what = "etcd cluster"
	voting, away := votes(members, answers)
	bears := voting - away - (voting/2 + 1)
	are := "members are"
	if away == 1 {
		are = "members is"
	}
	const back = "Bring back what does not answer, as is said of it above."
	switch {
	case away > 0 && bears < 0:
		return failed(what, fmt.Sprintf("It has no majority: %d of %d %s away. Nothing can be written, and brokers abandon their Providers.", away, voting, are), back)
	case away > 0 && bears == 0:
		return warned(what, fmt.Sprintf("It bears no loss now: %d of %d %s away.", away, voting, are), back)
	case away > 0:
		return warned(what, fmt.Sprintf("It bears the loss of %d more now: %d of %d %s away.", bears, away, voting, are), back)
	case voting == 0:
		return warned(what, "It does not say who its members are.", "Look why, with: etcdctl member list")
	case voting == 1:
		return warned(what, "It has one member: when that is away, nothing can be changed or taken over, and brokers keep their Providers only for as long as all of them are there.",
			"Run three members, on machines of their own.")
	case voting%2 == 0:
		return warned(what, fmt.Sprintf("It has %d members: it bears the loss of %d, no better than one member fewer.", voting, (voting-1)/2),
			fmt.Sprintf("Add a member, or remove one: %d or %d.", voting+1, voting-1))
	}
	return fine(what, fmt.Sprintf("%d members; it bears the loss of %d.", voting, (voting-1)/2))
}

// votes counts the voting members and those of them that do not answer. A member
// that --etcd does not name is not taken to be away: it was not asked.
func votes(members []etcd.ClusterMember, answers []etcd.Answer) (voting, away int) {
	silent := 0
	for _, a := range answers {
		if a.Err != nil {
			silent++
		}
	}
	for _, m := range members {
		if m.Learner {
			continue
		}
		voting++
		if !slices.ContainsFunc(answers, func(a etcd.Answer) bool { return a.Err == nil && a.ID == m.ID }) {
			away++
		}
	}
	return voting, min(away, silent)
}

// judgeEndpoints says whether every member is among the endpoints. One that does
// not answer may be any member.
func judgeEndpoints(members []etcd.ClusterMember, answers []etcd.Answer) Finding {
	const what = "etcd endpoints"
	silent := 0
	for _, a := range answers {
		if a.Err != nil {
			silent++
		}
	}
	var unlisted []string
	for _, m := range members {
		if !slices.ContainsFunc(answers, func(a etcd.Answer) bool { return a.Err == nil && a.ID == m.ID }) {
			unlisted = append(unlisted, fmt.Sprintf("%s (%s)", m.Name, strings.Join(m.ClientURLs, ", ")))
		}
	}
	if len(unlisted) > silent {
		return warned(what, fmt.Sprintf("--etcd does not name every member; not among them: %s.", strings.Join(unlisted, "; ")),
			"Name them all, so that this server finds etcd whichever member is away.")
	}
	return fine(what, fmt.Sprintf("--etcd names all %d members.", len(members)))
}

// judgeAgreement says whether those who answer are one cluster with one leader.
func judgeAgreement(answers []etcd.Answer) Finding {
	const what = "etcd agreement"
	clusters, leaders := map[uint64][]string{}, map[uint64][]string{}
	for _, a := range answers {
		if a.Err == nil {
			clusters[a.Cluster] = append(clusters[a.Cluster], a.Endpoint)
			leaders[a.Leader] = append(leaders[a.Leader], a.Endpoint)
		}
	}
	switch {
	case len(clusters) > 1:
		return failed(what, "The endpoints belong to different clusters: "+groups(clusters)+".",
			"Give --etcd the members of one cluster. Brokers that use different ones would both own the same Providers.")
	case len(leaders[0]) > 0:
		return failed(what, "No leader is known to "+strings.Join(leaders[0], ", ")+": it is cut off, or most members are away.",
			"Bring the other members back, and look at the network between them (port 2380).")
	case len(leaders) > 1:
		return warned(what, "They name different leaders: "+groups(leaders)+".", "Run this again; if it stays, look at the network between the members.")
	}
	return fine(what, "One cluster, one leader.")
}

func groups(by map[uint64][]string) string {
	var all []string
	for id, endpoints := range by {
		all = append(all, fmt.Sprintf("%x at %s", id, strings.Join(endpoints, ", ")))
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// tolerable is how many entries of its log a member may be behind: it is asked
// a moment earlier or later than the others, while they work.
const tolerable = 1000

// judgeLag says whether a member keeps up with the others.
func judgeLag(answers []etcd.Answer) Finding {
	const what = "etcd lag"
	var newest, most uint64
	var who string
	answering := 0
	for _, a := range answers {
		if a.Err == nil {
			answering++
			newest = max(newest, a.Applied)
		}
	}
	if answering < 2 {
		return Finding{} // there is nobody to compare it with
	}
	for _, a := range answers {
		if a.Err == nil && newest-a.Applied >= most {
			most, who = newest-a.Applied, a.Endpoint
		}
	}
	if most > tolerable {
		return warned(what, fmt.Sprintf("%s is %d entries behind the newest member.", who, most),
			"Run this again: the number should fall. If it does not, that member's disk or network is too slow.")
	}
	return fine(what, fmt.Sprintf("The last member is %d entries behind the first.", most))
}
