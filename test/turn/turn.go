// Package turn has the packages of end-to-end tests run one after the other: some
// of their tests hold programs to a time, which others beside them would take.
package turn

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Wait returns when it is this process's turn, which lasts until the process ends.
func Wait() error {
	name := filepath.Join(os.TempDir(), fmt.Sprintf("end-to-end-tests-of-%d.lock", os.Geteuid()))
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	held = f
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
}

// held keeps the file open: the kernel gives the turn on when it is closed.
var held *os.File
