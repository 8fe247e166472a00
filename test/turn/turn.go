// Package turn runs the packages of end-to-end tests one after the other: some tests
// have time limits, which tests of another package would make them miss.
package turn

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Wait returns when it is this process's turn, which lasts until the process ends: it
// never closes the locked file, and no child inherits it. There is no time limit.
func Wait() error {
	name := filepath.Join(os.TempDir(), fmt.Sprintf("end-to-end-tests-of-%d.lock", os.Geteuid()))
	fd, err := syscall.Open(name, syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	for {
		// A signal, such as the runtime's own, may interrupt the wait.
		if err = syscall.Flock(fd, syscall.LOCK_EX); err != syscall.EINTR {
			return err
		}
	}
}
