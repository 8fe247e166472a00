package sandbox

import (
	"testing"

	"golang.org/x/sys/unix"
)

// handled must return exactly the rights that the version knows: the kernel refuses unknown ones, and a right
// that is left out is granted to all.
func TestHandled(t *testing.T) {
	const files, net = uint64(1<<13 - 1), uint64(unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP)
	const refer, truncate, ioctl = uint64(unix.LANDLOCK_ACCESS_FS_REFER), uint64(unix.LANDLOCK_ACCESS_FS_TRUNCATE), uint64(unix.LANDLOCK_ACCESS_FS_IOCTL_DEV)
	const scoped = uint64(unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL)
	for version, want := range map[int]unix.LandlockRulesetAttr{
		1: {Access_fs: files},
		2: {Access_fs: files | refer},
		3: {Access_fs: files | refer | truncate},
		4: {Access_fs: files | refer | truncate, Access_net: net},
		5: {Access_fs: files | refer | truncate | ioctl, Access_net: net},
		6: {Access_fs: files | refer | truncate | ioctl, Access_net: net, Scoped: scoped},
		9: {Access_fs: files | refer | truncate | ioctl, Access_net: net, Scoped: scoped},
	} {
		if got := handled(version); got != want {
			t.Errorf("version %d: got %+v, want %+v", version, got, want)
		}
	}
	// All rights that rules grant must be handled, as the kernel refuses other rules.
	if all := handled(landlockNetwork).Access_fs; rightsRead&^all != 0 || rightsWrite&^all != 0 || rightsFile&^all != 0 {
		t.Errorf("rights beyond %#x are granted", all)
	}
}
