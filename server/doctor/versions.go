package doctor

import (
	"fmt"
	"strconv"
	"strings"
)

// mended are the first releases of each series of etcd without the faults that
// are known today.
func mended() map[[2]int]int {
	return map[[2]int]int{{3, 5}: 33, {3, 6}: 14, {3, 7}: 1}
}

// judgeVersion says whether a release of etcd may be used.
func judgeVersion(what, version string) Finding {
	number, _, before := strings.Cut(version, "-") // 3.7.1-rc.0 comes before 3.7.1
	var v [3]int
	parts := strings.Split(number, ".")
	for i := range v {
		n, err := strconv.Atoi(at(parts, i))
		if err != nil {
			return warned(what, fmt.Sprintf("It runs etcd %q, whose age cannot be told.", version), "Run a release of etcd.")
		}
		v[i] = n
	}
	series := [2]int{v[0], v[1]}
	least, known := mended()[series]
	name := fmt.Sprintf("%d.%d", v[0], v[1])
	switch {
	case known && (v[2] < least || v[2] == least && before):
		return failed(what, fmt.Sprintf("It runs etcd %s, which has faults that %s.%d mends.", version, name, least),
			fmt.Sprintf("Replace etcd by %s.%d or later, one member after the other; nothing else changes within %s.", name, least, name))
	case known:
		return fine(what, "etcd "+version+".")
	case series[0] < 3 || series[0] == 3 && series[1] < 5:
		return failed(what, fmt.Sprintf("It runs etcd %s, which nobody repairs any more.", version),
			"Move to etcd 3.5.33 or later, one minor release at a time and one member after the other.")
	}
	return fine(what, "etcd "+version+", newer than this program.")
}

func at(parts []string, i int) string {
	if i < len(parts) {
		return parts[i]
	}
	return ""
}
