package sandbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock restricts TCP by port, whatever the address. Where a program has no network
// of its own, this process therefore checks each connect before the kernel carries it
// out (seccomp_unotify(2)); the program is stopped meanwhile. Allowed are only the
// machine's loopback, and Unix sockets in the program's own folders. A program with
// several threads could change the address after the check. No program here is made to
// do that: a repo chooses what the programs connect to, but not which programs run.

// notification is struct seccomp_notif.
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	call  int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// answer is struct seccomp_notif_resp.
type answer struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// superviseConnects decides about the connects of the programs behind a listener until
// all these programs have ended. They may connect to the Unix sockets below folders.
func superviseConnects(listener int, folders []string) {
	defer unix.Close(listener)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		var asked notification
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&asked))); errno != 0 {
			if errno == unix.EINTR {
				continue
			}
			if errno == unix.ENOENT && !hungUp(listener) {
				continue // the program has ended
			}
			return
		}
		said := answer{id: asked.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE}
		if address, err := addressOf(asked); err != nil || !mayConnect(address, folders) {
			said = answer{id: asked.id, errno: -int32(unix.EACCES)}
		}
		// An error means that the program has ended.
		_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&said)))
	}
}

// hungUp says whether all programs behind the listener have ended.
func hungUp(listener int) bool {
	poll := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
	_, err := unix.Poll(poll, 0)
	return err != nil || poll[0].Revents&unix.POLLHUP != 0
}

// addressOf reads the socket address that a program has passed to connect.
func addressOf(n notification) ([]byte, error) {
	b := make([]byte, min(n.args[2], uint64(unix.SizeofSockaddrAny)))
	if len(b) == 0 {
		return nil, unix.EINVAL
	}
	local := []unix.Iovec{{Base: &b[0]}}
	local[0].SetLen(len(b))
	read, err := unix.ProcessVMReadv(int(n.pid), local, []unix.RemoteIovec{{Base: uintptr(n.args[1]), Len: len(b)}}, 0)
	if err == nil {
		return b[:read], nil
	}
	return b, readMemory(int(n.pid), int64(n.args[1]), b)
}

// readMemory reads another process's memory by way of /proc, where a container forbids
// process_vm_readv.
func readMemory(pid int, at int64, b []byte) error {
	f, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.ReadAt(b, at)
	return err
}

// mayConnect says whether a program may connect to a socket address: to loopback, to
// netlink, and to Unix sockets below folders. AF_UNSPEC ends a connection.
func mayConnect(address []byte, folders []string) bool {
	if len(address) < 2 {
		return false
	}
	switch family, rest := binary.NativeEndian.Uint16(address), address[2:]; family {
	case unix.AF_UNSPEC, unix.AF_NETLINK: // AF_UNSPEC ends a connection
		return true
	case unix.AF_INET:
		return len(rest) >= 6 && netip.AddrFrom4([4]byte(rest[2:6])).IsLoopback()
	case unix.AF_INET6:
		return len(rest) >= 22 && netip.AddrFrom16([16]byte(rest[6:22])).Unmap().IsLoopback()
	case unix.AF_UNIX:
		name, _, _ := bytes.Cut(rest, []byte{0})
		real, err := filepath.EvalSymlinks(string(name))
		return err == nil && filepath.IsAbs(real) && slices.ContainsFunc(folders, func(dir string) bool { return within(real, dir) })
	}
	return false
}
