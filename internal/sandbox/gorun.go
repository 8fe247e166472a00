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

// HostPID is this process's number outside its namespaces, as /proc still
// shows it: the sandbox does not hide the host's processes.
func (s *Sandbox) HostPID() int {
	if target, err := os.Readlink("/proc/self"); err == nil {
		var pid int
		if _, err := fmt.Sscan(target, &pid); err == nil {
			return pid
		}
	}
	return os.Getpid()
}
