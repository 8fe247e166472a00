package sandbox

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Values of os.Args[0] with which this program starts itself for a small task.
const (
	probeName  = "seatrial-probe"  // tries out what a sandbox needs
	keeperName = "seatrial-keeper" // removes the kubeconfig of a kept cluster at the cluster's end
)

// Shim carries out a small task and exits, if this process was started for one;
// otherwise it returns. It must be called first in main.
func Shim() {
	var err error
	switch {
	case os.Args[0] == probeName:
		err = probe()
	case os.Args[0] == keeperName && len(os.Args) == 2:
		err = keeper(os.Args[1])
	default:
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(0)
}

// probe does once what setting up a sandbox needs.
func probe() error {
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("bring up a private loopback: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	const dir = "/dev"
	usr, err := os.Open("/usr")
	if err != nil {
		return err
	}
	defer usr.Close()
	if err := unix.Mount("seatrial", dir, "tmpfs", 0, "size=64k"); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	if err := (bind{from: fmt.Sprintf("/proc/self/fd/%d", usr.Fd()), to: "/usr"}).mount(dir, unix.MOUNT_ATTR_NOSUID); err != nil {
		return err
	}
	if err := os.Mkdir(dir+"/proc", 0o755); err != nil {
		return err
	}
	if err := mountProc(dir); err != nil {
		return err
	}
	return enter(dir)
}

// Private is a folder that a program expects at a fixed path.
type Private struct {
	Path string
	// From is the folder whose content appears there.
	From string
}

// Provide copies private folders to their fixed paths on the file system itself, for a
// program without a mount namespace. It returns a function that removes them. A path
// that exists already is an error.
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
		if err := os.MkdirAll(p.Path, 0o700); err != nil {
			undo()
			return nil, fmt.Errorf("%w: without private namespaces a rehearsal needs to make this folder: be root in a container", err)
		}
		if err := os.CopyFS(p.Path, os.DirFS(p.From)); err != nil {
			undo()
			return nil, err
		}
	}
	return undo, nil
}
