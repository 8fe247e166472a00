package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A root becomes read-only also if a file in it is open for writing for a moment, as it is
// when another program is started at the same time.
func TestSealRoot(t *testing.T) {
	dir := t.TempDir()
	failed := make(chan error)
	onOwnThread(func() { failed <- sealBusy(dir) })
	if err := <-failed; errors.Is(err, errNoMounts) {
		t.Skip(err)
	} else if err != nil {
		t.Error(err)
	}
}

var errNoMounts = errors.New("this user may not mount anything")

// sealBusy seals a mount while a file in it is open for 50 ms, in a mount namespace of the calling thread.
func sealBusy(dir string) error {
	if err := unix.Unshare(unix.CLONE_NEWNS); errors.Is(err, unix.EPERM) {
		return errNoMounts
	} else if err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("test", dir, "tmpfs", 0, "size=64k"); err != nil {
		return err
	}
	file := filepath.Join(dir, "f")
	open, err := os.Create(file)
	if err != nil {
		return err
	}
	time.AfterFunc(50*time.Millisecond, func() { _ = open.Close() })
	if err := sealRoot(dir); err != nil {
		return err
	}
	if err := os.WriteFile(file, nil, 0o600); !errors.Is(err, unix.EROFS) {
		return errors.New("the mount can still be written to")
	}
	return nil
}
