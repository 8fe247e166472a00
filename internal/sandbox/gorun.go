package sandbox

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// EndWithGoRun calls end when this process was started by `go run` and that has ended:
// a killed go run leaves its program running. It checks every 200 ms.
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
