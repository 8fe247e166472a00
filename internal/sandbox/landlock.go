package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock is a Linux feature that confines a thread and everything it starts. It is
// used in addition to namespaces, or instead where namespaces are forbidden. The system
// calls are made directly: go-landlock can confine only whole processes, and here each
// program is confined differently.

// landlockNetwork is the version of Landlock that first knew TCP ports.
const landlockNetwork = 4

// LandlockVersion is the version that the kernel offers; 0 if none.
func LandlockVersion() int {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}

// Rights to files.
const (
	rightsRead = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	rightsFile = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	// rightsWrite include neither the right to make devices nor the right to execute:
	// what a program writes can't be run.
	rightsWrite = rightsRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_REFER |
		unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_DIR |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM
)

// handled are all rights that a version of Landlock knows.
func handled(version int) (a unix.LandlockRulesetAttr) {
	a.Access_fs = 1<<13 - 1
	if version >= 2 {
		a.Access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version >= 3 {
		a.Access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version >= landlockNetwork {
		a.Access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if version >= 5 {
		a.Access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if version >= 6 {
		a.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	return a
}

// rule grants rights to a file or to all below a folder.
type rule struct {
	path   string
	rights uint64
}

// restrict confines the calling thread, and all that it starts from now on, to
// the rules and ports. It must have no_new_privs set.
func restrict(version int, rules []rule, connect, bind []int) error {
	attr := handled(version)
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return fmt.Errorf("make a Landlock ruleset: %w", errno)
	}
	defer unix.Close(int(fd))
	for _, r := range rules {
		if err := allowPath(int(fd), r, attr.Access_fs); err != nil {
			return err
		}
	}
	if version >= landlockNetwork {
		for access, ports := range map[uint64][]int{unix.LANDLOCK_ACCESS_NET_CONNECT_TCP: connect, unix.LANDLOCK_ACCESS_NET_BIND_TCP: bind} {
			for _, port := range ports {
				// landlock_net_port_attr
				net := struct{ access, port uint64 }{access, uint64(port)}
				if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, fd, landlockRuleNetPort, uintptr(unsafe.Pointer(&net)), 0, 0, 0); errno != 0 {
					return fmt.Errorf("allow port %d: %w", port, errno)
				}
			}
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return fmt.Errorf("confine by Landlock: %w", errno)
	}
	return nil
}

// landlockRuleNetPort is LANDLOCK_RULE_NET_PORT, which x/sys does not have yet.
const landlockRuleNetPort = 2

func allowPath(ruleset int, r rule, known uint64) error {
	fd, err := unix.Open(r.path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing is there to be allowed
	}
	if err != nil {
		return &os.PathError{Op: "allow", Path: r.path, Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	rights := r.rights & known
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= rightsFile
	}
	attr := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&attr)), 0, 0, 0); errno != 0 {
		return &os.PathError{Op: "allow", Path: r.path, Err: errno}
	}
	return nil
}
