package doctor

import "fmt"

// defaultQuota is etcd's own, for a member that does not tell (before 3.6).
const defaultQuota = 2 << 30

// judgeSize says how near to its limit a database is. ctl is how to call etcdctl.
func judgeSize(what string, size, inUse, quota int64, ctl string) Finding {
	limit := "its limit of " + mebibytes(quota)
	if quota == 0 {
		quota = defaultQuota
		limit = "2 GiB, the limit unless etcd was given another"
	}
	percent := 100 * size / quota
	finding := fmt.Sprintf("%s, %d %% of %s", mebibytes(size), percent, limit)
	do := fmt.Sprintf("%s of it are in use; the rest is given back by (one member at a time, each stands still for it):\n%s defrag",
		mebibytes(inUse), ctl)
	if inUse > size/2 {
		do += "\nIf etcd does not compact its history by itself, give it --auto-compaction-mode=periodic --auto-compaction-retention=10m.\n" +
			"If it does, it needs more room: --quota-backend-bytes."
	}
	switch {
	case percent >= 90:
		return failed(what, finding+". When it is full, nothing can be written and no broker can come back.", do)
	case percent >= 70:
		return warned(what, finding+".", do)
	}
	return fine(what, finding+".")
}

func mebibytes(n int64) string {
	if n < 10<<20 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
