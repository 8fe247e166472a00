package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// RemoveAtEnd has a file removed when the process pid ends. This process may have ended
// by then, and pid runs in a sandbox from which it can't reach the file, so a third
// process waits for that.
func RemoveAtEnd(pid int, file string) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("watch process %d: %w", pid, err)
	}
	watched := os.NewFile(uintptr(fd), "pidfd")
	defer watched.Close()
	cmd := exec.Command("/proc/self/exe", file)
	cmd.Args[0] = keeperName
	cmd.Env = []string{}
	cmd.ExtraFiles = []*os.File{watched} // descriptor 3
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd.Start()
}

// keeper removes the file when the process behind descriptor 3 has ended.
func keeper(file string) error {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: 3, Events: unix.POLLIN}}, -1)
		if n > 0 {
			return os.Remove(file)
		}
		if err != nil && err != unix.EINTR {
			return err
		}
	}
}
