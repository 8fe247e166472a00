// Package turn has the packages of end-to-end tests run one after the other: some
// of their tests hold programs to a time, which others beside them would take.
package turn

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Wait returns when it is this process's turn, which lasts until the process ends:
// the lock's file is never closed, and no child inherits it.
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
