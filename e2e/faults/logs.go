package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// Nobody kills a server but the laboratory, and that with SIGKILL; and no fault
// is a reason for a guard to give up.
var unexpected = regexp.MustCompile(`^panic:|^fatal error:|DATA RACE|is dead: exit status|did not start`)

// complaints are what the servers have written and should not have.
func (l *lab) complaints() (found []string) {
	for _, h := range l.hosts {
		f, err := os.Open(filepath.Join(l.dir, h.id+".log"))
		if err != nil {
			return append(found, err.Error())
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if unexpected.MatchString(lines.Text()) {
				found = append(found, fmt.Sprintf("%s wrote: %s", h.id, lines.Text()))
			}
		}
		_ = f.Close()
	}
	return found
}
