package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
)

// missing says what the laboratory needs and does not find; empty: nothing.
func missing() string {
	switch {
	case runtime.GOOS != "linux":
		return "Linux"
	case os.Getuid() != 0:
		return "root"
	}
	for _, tool := range []string{"ip", "nft", "tc"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "the program " + tool
		}
	}
	try := fmt.Sprintf("quorate-lab-%d-try", os.Getpid())
	defer func() { _ = ip("netns del " + try) }()
	if err := ip("netns add " + try); err != nil {
		return "network namespaces: " + err.Error()
	}
	return ""
}
