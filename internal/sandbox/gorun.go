package sandbox

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// EndWithGoRun calls end when this program was started by `go run` and that is
// gone: go run does not take its program with it when it is killed.
func EndWithGoRun(end func()) {
	parent := os.Getppid()
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", parent))
	if err != nil || strings.TrimSpace(string(name)) != "go" {
		return
	}
	go func() {
		for os.Getppid() == parent {
			time.Sleep(200 * time.Millisecond)
		}
		end()
	}()
}
