package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Names by which this program calls itself for a moment's work.
const (
	shimName  = "seatrial-with-private" // about to become another program
	probeName = "seatrial-probe"        // tries what a sandbox needs
)

// Private is a folder at a fixed path that a program insists on.
type Private struct {
	Path string
	// From is a folder whose files are put there; empty: none.
	From string
}

// WithPrivate wraps a command so that it sees private folders: empty, or with
// copies of some files, and gone with the program. It returns the program, its
// arguments and its attributes. Only for use in namespaces.
func WithPrivate(private []Private, program string, args []string) (string, []string, *syscall.SysProcAttr) {
	attr := Own()
	attr.Unshareflags = syscall.CLONE_NEWNS
	var spec []string
	for _, p := range private {
		spec = append(spec, p.Path+"="+p.From)
	}
	return "/proc/self/exe", append([]string{shimName, strings.Join(spec, ":"), program}, args...), attr
}

// Provide makes the private folders on the file system itself, for a program
// in a container that has no namespaces to offer, and returns what undoes it.
func Provide(private []Private) (undo func(), err error) {
	var made []string
	undo = func() {
		for _, dir := range made {
			_ = os.RemoveAll(dir)
		}
	}
	for _, p := range private {
		first := p.Path
		for {
			parent := filepath.Dir(first)
			if _, err := os.Stat(parent); err == nil {
				break
			}
			first = parent
		}
		if _, err := os.Stat(p.Path); err == nil {
			undo()
			return nil, fmt.Errorf("%s exists and is not ours: a rehearsal without private namespaces can't use it", p.Path)
		}
		made = append(made, first)
		if err := p.fill(); err != nil {
			undo()
			return nil, err
		}
	}
	return undo, nil
}

func (p Private) fill() error {
	if err := os.MkdirAll(p.Path, 0o700); err != nil {
		return err
	}
	if p.From == "" {
		return nil
	}
	return os.CopyFS(p.Path, os.DirFS(p.From))
}

// Shim turns this process into the wrapped program if it was started by
// WithPrivate, tries a sandbox if it was started by Probe, and returns
// otherwise. Call it first in main.
func Shim() {
	var err error
	switch {
	case os.Args[0] == probeName:
		err = probe()
	case os.Args[0] == shimName && len(os.Args) > 2:
		err = shim(strings.Split(os.Args[1], ":"), os.Args[2], os.Args[2:])
	default:
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(0)
}

func probe() error {
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("bring up a private loopback: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("seatrial", "/", "tmpfs", 0, "size=4k"); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	return nil
}

func shim(specs []string, program string, argv []string) error {
	for _, spec := range specs {
		var p Private
		p.Path, p.From, _ = strings.Cut(spec, "=")
		// A folder that is not there can't be made on the host's file system:
		// the nearest one above it is hidden instead.
		mountPoint := p.Path
		for {
			if _, err := os.Stat(mountPoint); err == nil {
				break
			}
			mountPoint = filepath.Dir(mountPoint)
		}
		if mountPoint == "/" {
			return fmt.Errorf("no folder above %s to mount over", p.Path)
		}
		if err := unix.Mount("seatrial", mountPoint, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0700"); err != nil {
			return fmt.Errorf("mount a private %s: %w", mountPoint, err)
		}
		if err := p.fill(); err != nil {
			return err
		}
	}
	return unix.Exec(program, argv, os.Environ())
}
