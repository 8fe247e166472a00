package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// systemFolders are the machine's folders that git and what it is linked to may be in.
// They are shown as they are, read-only.
var systemFolders = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"}

// bundles are the files in which distributions keep the certificates of certificate
// authorities, the most common first.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
}

// devices are the files in /dev that every root gets; none of them can do harm.
var devices = []string{"null", "zero", "full", "random", "urandom"}

// bind shows a file or folder at another path.
type bind struct {
	from, to string
	write    bool
}

// newRoot fills the empty folder dir with what a root needs: the system's folders if system
// is set, a few devices, and the binds. If there is no bind for /etc, it writes one.
func newRoot(dir string, system bool, binds []bind) error {
	if system {
		for _, folder := range systemFolders {
			if err := showSystem(dir, folder); err != nil {
				return err
			}
		}
	}
	if !slices.ContainsFunc(binds, func(b bind) bool { return b.to == "/etc" }) {
		if err := writeEtc(dir); err != nil {
			return err
		}
	}
	for _, name := range devices {
		if err := (bind{"/dev/" + name, "/dev/" + name, true}).mount(dir, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC); err != nil {
			return err
		}
	}
	for name, to := range map[string]string{"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"} {
		if err := os.Symlink(to, filepath.Join(dir, "dev", name)); err != nil {
			return err
		}
	}
	for _, folder := range []string{"tmp", "proc"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			return err
		}
	}
	for _, b := range binds {
		attr := uint64(unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV)
		if b.write {
			attr |= unix.MOUNT_ATTR_NOEXEC // nothing that is written can be run
		}
		if err := b.mount(dir, attr); err != nil {
			return err
		}
	}
	return nil
}

// showSystem shows one of the system's folders, or the link that it is.
func showSystem(root, folder string) error {
	info, err := os.Lstat(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		to, err := os.Readlink(folder)
		if err != nil {
			return err
		}
		return os.Symlink(to, filepath.Join(root, folder))
	}
	return bind{from: folder, to: folder}.mount(root, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
}

// mount makes the bind mount below root, with everything that is mounted within from,
// and sets the attributes, and read-only unless write is set.
func (b bind) mount(root string, attr uint64) error {
	to := filepath.Join(root, b.to)
	info, err := os.Stat(b.from)
	if err != nil {
		return fmt.Errorf("show %s: %w", b.from, err)
	}
	if info.IsDir() {
		err = os.MkdirAll(to, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(to), 0o755); err == nil {
		err = touch(to)
	}
	if err != nil {
		return fmt.Errorf("show %s: %w", b.from, err)
	}
	if err := unix.Mount(b.from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("show %s: %w", b.from, err)
	}
	if !b.write {
		attr |= unix.MOUNT_ATTR_RDONLY
	}
	return setAttributes(to, attr)
}

func touch(name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// setAttributes adds attributes to a mount and all within it.
func setAttributes(path string, attr uint64) error {
	err := unix.MountSetattr(unix.AT_FDCWD, path, unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attr})
	if errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("protect %s: this kernel is older than 5.12: %w", path, err)
	}
	if err != nil {
		return fmt.Errorf("protect %s: %w", path, err)
	}
	return nil
}

// sealWithin is how long a mount may be busy.
const sealWithin = 5 * time.Second

// sealRoot makes the mount at path, without those within it, read-only. The kernel refuses
// that while a file in it is open for writing, and a program that another thread starts at
// this moment holds copies of this process's open files until it is executed.
func sealRoot(path string) error {
	for end := time.Now().Add(sealWithin); ; {
		err := unix.MountSetattr(unix.AT_FDCWD, path, 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(end) {
			return fmt.Errorf("make a program's root read-only: %w", err)
		}
		time.Sleep(time.Millisecond)
	}
}

// writeEtc writes an /etc that names no user, group or host of the machine.
func writeEtc(root string) error {
	files := map[string]string{
		"passwd":        fmt.Sprintf("root:x:0:0:root:/:/bin/false\nseatrial:x:%[1]d:%[1]d:seatrial:/tmp:/bin/false\n", programID),
		"group":         fmt.Sprintf("root:x:0:\nseatrial:x:%d:\n", programID),
		"hosts":         "127.0.0.1 localhost\n::1 localhost\n",
		"nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
		"resolv.conf":   "",
	}
	for _, file := range bundles {
		if b, err := os.ReadFile(file); err == nil {
			files[strings.TrimPrefix(bundles[0], "/etc/")] = string(b)
			break
		}
	}
	for name, text := range files {
		file := filepath.Join(root, "etc", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// mountProc mounts a /proc that shows the processes of this pid namespace, which the
// memory watch reads, and nothing else. The kernel forbids that where parts of the
// machine's own /proc are hidden; the probe finds that out.
func mountProc(root string) error {
	err := unix.Mount("proc", filepath.Join(root, "proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "subset=pid")
	if err != nil {
		return fmt.Errorf("mount a private /proc: %w", err)
	}
	return nil
}

// enter makes the mounted folder dir the root, and lets go of the old one.
func enter(dir string) error {
	if err := unix.Chdir(dir); err != nil {
		return fmt.Errorf("enter the new root: %w", err)
	}
	// As both arguments are the same path, the old root is stacked on top of the new one.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("change the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("let go of the old root: %w", err)
	}
	return unix.Chdir("/")
}
