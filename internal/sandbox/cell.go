package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// programID is the user and group id of programs, where this process can choose one: an
// id that no machine uses, and not root's.
const programID = 65532

// Cell is everything that one program of a rehearsal may reach. Paths are absolute and,
// but for those of At, the same inside and outside of the cell.
type Cell struct {
	Read    []string // files and folders
	Execute []string // files and folders that may be executed and read
	Write   []string // folders; nothing in them can be executed
	// At maps a path at which the program expects a file or folder to the one that is shown
	// there, which it may also write to.
	At map[string]string
	// Git allows the program to run git, and to read and execute what git needs of the system.
	Git bool
	// Connect and Bind are the TCP ports that the program may connect to and listen on.
	Connect, Bind []int
	// Owner runs the program as this process's user, who owns the files to be read,
	// instead of as programID.
	Owner bool
}

// Start starts a prepared command in a cell. The returned function waits for its end.
//
// A new thread is confined first, and then starts the program as its child, which inherits
// all of the confinement. A confined thread can't be released, so it ends with the
// program. Thus no helper program is needed, and the child dies when this process does.
func (s *Sandbox) Start(cmd *exec.Cmd, c Cell) (wait func() error, err error) {
	started, ended := make(chan error, 1), make(chan error, 1)
	onOwnThread(func() {
		err := s.confine(cmd, c)
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	})
	if err := <-started; err != nil {
		return nil, err
	}
	return func() error { return <-ended }, nil
}

// Run runs a prepared command in a cell to its end.
func (s *Sandbox) Run(cmd *exec.Cmd, c Cell) error {
	wait, err := s.Start(cmd, c)
	if err != nil {
		return err
	}
	return wait()
}

// onOwnThread runs f on a new thread that ends with f. The thread must not be the process's
// first one: the kernel shows that one's view (mounts, root) as the whole process's.
func onOwnThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f()
			return // locked: the thread ends
		}
		done := make(chan struct{})
		go func() { // this goroutine keeps the first thread busy, so this is another one
			defer close(done)
			runtime.LockOSThread()
			f()
		}()
		<-done
		runtime.UnlockOSThread()
	}()
}

// confine confines the calling thread, and prepares cmd to start in it.
func (s *Sandbox) confine(cmd *exec.Cmd, c Cell) error {
	if s.Unconfined {
		cmd.SysProcAttr = Own()
		return nil
	}
	if cmd.Err != nil {
		return cmd.Err
	}
	attr := Own()
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	if c.Git {
		files, err := gitFiles()
		if err != nil {
			return err
		}
		c.Execute = append(slices.Clone(c.Execute), files...)
	}
	if s.Roots() {
		if err := s.ownRoot(c); err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("forgo new privileges: %w", err)
	}
	if s.Landlock > 0 {
		if err := restrict(s.Landlock, s.rules(c), c.Connect, c.Bind); err != nil {
			return err
		}
	}
	if s.chooses() && !c.Owner {
		attr.Credential = &syscall.Credential{Uid: programID, Gid: programID}
	}
	if err := dropCapabilities(attr.Credential != nil, c.Owner); err != nil {
		return err
	}
	ask := !s.Namespaces || s.HostNetwork || without("network")
	listener, err := restrictCalls(ask && !without("connects"))
	if err != nil {
		return err
	}
	if listener >= 0 {
		folders := c.Write
		for at := range c.At {
			folders = append(folders[:len(folders):len(folders)], at)
		}
		go superviseConnects(listener, folders)
	}
	cmd.SysProcAttr = attr
	return nil
}

// Roots says whether each program has a root of its own.
func (s *Sandbox) Roots() bool { return s.Namespaces && !s.Unconfined && !without("root") }

// chooses says whether programs run as another user than this process. Without
// namespaces they don't: the engine may lie in a folder that only root can read. They
// stay root then, but lose root's capabilities.
func (s *Sandbox) chooses() bool { return s.Roots() && !s.UserNamespace }

// ownRoot gives the calling thread a root of its own, and its children a pid
// namespace of their own.
func (s *Sandbox) ownRoot(c Cell) error {
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWPID); err != nil {
		return fmt.Errorf("make namespaces for a program: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	dir := s.cellDir()
	if err := unix.Mount("cell", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=4m"); err != nil {
		return fmt.Errorf("mount a program's root: %w", err)
	}
	var binds []bind
	if s.entered {
		binds = append(binds, bind{from: "/etc", to: "/etc"})
	}
	for _, p := range append(slices.Clone(c.Read), c.Execute...) {
		if c.Git && inSystem(p) {
			continue // newRoot shows it along with the system's folders
		}
		binds = append(binds, bind{from: p, to: p})
	}
	for _, p := range c.Write {
		binds = append(binds, bind{from: p, to: p, write: true})
	}
	for to, from := range c.At {
		binds = append(binds, bind{from: from, to: to, write: true})
	}
	if err := newRoot(dir, c.Git, binds); err != nil {
		return err
	}
	if err := enter(dir); err != nil {
		return err
	}
	return sealRoot("/")
}

// rules are the Landlock rules of a cell. No program needs /proc, so none may read it.
func (s *Sandbox) rules(c Cell) []rule {
	rules := []rule{{"/etc/ssl", rightsRead}, {"/etc/passwd", rightsRead}, {"/etc/group", rightsRead}, {"/etc/hosts", rightsRead}, {"/etc/nsswitch.conf", rightsRead}}
	for _, name := range devices {
		rules = append(rules, rule{"/dev/" + name, rightsRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE})
	}
	if c.Git {
		for _, folder := range append([]string{"/etc/ld.so.cache", "/etc/alternatives"}, systemFolders...) {
			rules = append(rules, rule{folder, rightsRead})
		}
	}
	for _, p := range c.Read {
		rules = append(rules, rule{p, rightsRead})
	}
	for _, p := range c.Execute {
		rules = append(rules, rule{p, rightsRead | unix.LANDLOCK_ACCESS_FS_EXECUTE})
	}
	for _, p := range c.Write {
		rules = append(rules, rule{p, rightsWrite})
	}
	for p := range c.At {
		rules = append(rules, rule{p, rightsWrite})
	}
	return rules
}

// dropCapabilities drops the capabilities of the calling thread. It keeps those that
// are needed to start a child as another user, which loses them by that, and for an
// owner those that let it read files of other users, if it has them.
func dropCapabilities(becomesOther, owner bool) error {
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("drop ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have, keep [2]unix.CapUserData
	if err := unix.Capget(&header, &have[0]); err != nil {
		return fmt.Errorf("read capabilities: %w", err)
	}
	allow := func(n uint) {
		keep[n/32].Permitted |= have[n/32].Permitted & (1 << (n % 32))
		keep[n/32].Effective = keep[n/32].Permitted
	}
	if becomesOther {
		allow(unix.CAP_SETUID)
		allow(unix.CAP_SETGID)
	}
	if owner {
		allow(unix.CAP_DAC_READ_SEARCH)
		allow(unix.CAP_DAC_OVERRIDE)
	}
	// No program can regain a capability that the bounding set lacks. Only a thread with
	// CAP_SETPCAP can drop capabilities from it.
	if have[unix.CAP_SETPCAP/32].Effective&(1<<(unix.CAP_SETPCAP%32)) != 0 {
		for n := uint(0); n <= unix.CAP_LAST_CAP; n++ {
			if keep[n/32].Permitted&(1<<(n%32)) != 0 && owner {
				continue
			}
			if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(n), 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
				return fmt.Errorf("drop capability %d: %w", n, err)
			}
		}
	}
	if err := unix.Capset(&header, &keep[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}

// inSystem says whether a path is below one of the system's folders.
func inSystem(p string) bool {
	for _, folder := range systemFolders {
		if real, err := filepath.EvalSymlinks(folder); err == nil && within(p, real) || within(p, folder) {
			return true
		}
	}
	return false
}

// Give changes the owner of files and folders, and of all files below these, to programID.
// It does nothing if programs run as this process's user.
func (s *Sandbox) Give(paths ...string) error {
	if !s.chooses() {
		return nil
	}
	for _, p := range paths {
		err := filepath.WalkDir(p, func(name string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(name, programID, programID)
		})
		if err != nil {
			return fmt.Errorf("hand %s to the programs: %w", p, err)
		}
	}
	return nil
}
