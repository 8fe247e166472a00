package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrAbandoned is the cause of a context that ended because the outer process is gone.
var ErrAbandoned = errors.New("the command that started the sandbox is gone")

// Sandbox is the sandbox as seen by the inner process, which runs in it.
type Sandbox struct {
	Mode
	// Dir is a private folder for state, which starts empty. It is on a tmpfs wherever
	// this process may mount one.
	Dir string

	mount    string // where the tmpfs is mounted; "/" after Enter
	entered  bool
	lifeLine *os.File
	listener net.Listener
	link     net.Conn
	kept     chan struct{}

	mu      sync.Mutex
	parcels *os.File

	onEndMu sync.Mutex // separate from mu, as Hand may block for ever while it holds that
	onEnd   []func()
}

// Inside returns the sandbox that this process runs in, or nil in the outer process, which a person has
// started. payload is decoded from what the outer process sends. inUse is called after that, for the
// paths that must stay visible until Enter. The returned context ends when the outer process does, with
// the cause ErrAbandoned.
func Inside(ctx context.Context, payload any, inUse func() []string) (context.Context, *Sandbox, error) {
	setting, ok := os.LookupEnv(envVar)
	if !ok {
		return ctx, nil, nil
	}
	_ = os.Unsetenv(envVar) // no child of ours is an inner process
	s := &Sandbox{kept: make(chan struct{})}
	if err := json.Unmarshal([]byte(setting), &s.Mode); err != nil {
		return ctx, nil, fmt.Errorf("%s: %w", envVar, err)
	}
	s.lifeLine = descriptor(fdLifeLine, "life line")
	s.parcels = descriptor(fdParcels, "parcels")
	if s.lifeLine == nil || s.parcels == nil {
		return ctx, nil, fmt.Errorf("%s is set, but this process has no life line: unset it", envVar)
	}
	if s.Listens {
		f := descriptor(fdListener, "listener")
		if f == nil {
			return ctx, nil, errors.New("the listener of a cluster that is kept was not handed over")
		}
		var err error
		s.listener, err = net.FileListener(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return ctx, nil, fmt.Errorf("take the listener over: %w", err)
		}
	}
	if s.Linked {
		f := descriptor(fdLink, "link")
		if f == nil {
			return ctx, nil, errors.New("the link to the outer process was not handed over")
		}
		var err error
		s.link, err = net.FileConn(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return ctx, nil, fmt.Errorf("take the link over: %w", err)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go s.holdOn(cancel)
	if err := readPayload(payload); err != nil {
		return ctx, nil, err
	}
	if s.Build {
		return ctx, s, nil
	}
	if s.Namespaces && !s.HostNetwork {
		if err := loopbackUp(); err != nil {
			return ctx, nil, fmt.Errorf("bring up loopback: %w", err)
		}
	}
	if err := s.makeState(inUse()); err != nil {
		return ctx, nil, fmt.Errorf("make a state folder: %w", err)
	}
	if !s.HostNetwork && !s.Unconfined {
		return ctx, s, s.limitSelf()
	}
	return ctx, s, nil
}

// readPayload decodes what the outer process gives.
func readPayload(payload any) error {
	f := descriptor(fdPayload, "payload")
	if f == nil {
		return fmt.Errorf("%s is set, but this process was given nothing: unset it", envVar)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err == nil && payload != nil {
		err = json.Unmarshal(b, payload)
	}
	if err != nil {
		return fmt.Errorf("read what the outer process gives: %w", err)
	}
	return nil
}

// descriptor returns an inherited file descriptor as a file, or nil if it is not open.
func descriptor(fd uintptr, name string) *os.File {
	if _, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err != nil {
		return nil
	}
	unix.CloseOnExec(int(fd))
	return os.NewFile(fd, name)
}

// holdOn waits for the end of the outer process, and then ends this one, unless the
// cluster is kept. Without namespaces, this process has five seconds to end by itself.
func (s *Sandbox) holdOn(cancel context.CancelCauseFunc) {
	_, _ = io.Copy(io.Discard, s.lifeLine)
	select {
	case <-s.kept:
		return
	default:
	}
	cancel(ErrAbandoned)
	if s.Namespaces {
		os.Exit(2) // the kernel then ends all other processes of the sandbox
	}
	time.AfterFunc(5*time.Second, s.Abort)
}

// OnEnd has Abort and End run f first, where there are no namespaces.
func (s *Sandbox) OnEnd(f func()) {
	s.onEndMu.Lock()
	defer s.onEndMu.Unlock()
	s.onEnd = append(s.onEnd, f)
}

// Abort ends this process at once with exit code 2, whatever it is doing, and leaves
// nothing behind.
func (s *Sandbox) Abort() { s.End(2) }

// End ends this process at once with an exit code, and leaves nothing behind.
func (s *Sandbox) End(code int) {
	if !s.Namespaces { // with namespaces, the kernel cleans up
		s.onEndMu.Lock()
		for _, f := range s.onEnd {
			f()
		}
		_ = s.Close()
	}
	os.Exit(code)
}

// Hand sends a parcel to the outer process.
func (s *Sandbox) Hand(kind, name string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := send(s.parcels, Parcel{Kind: kind, Name: name, Data: data}); err != nil {
		return fmt.Errorf("hand the %s out of the sandbox: %w", kind, err)
	}
	return nil
}

// Keep lets the sandbox live on without the outer process, which ends at once with the exit code.
func (s *Sandbox) Keep(code int) error {
	close(s.kept)
	devNull, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	for fd := range 3 {
		if err := unix.Dup2(int(devNull.Fd()), fd); err != nil {
			return err
		}
	}
	return s.Hand(parcelStays, "", []byte(strconv.Itoa(code)))
}

// Listener returns the socket that listens on the host's loopback; nil if
// Options.Listen was not set.
func (s *Sandbox) Listener() net.Listener { return s.listener }

// Link is the socket whose other end the outer process serves; nil if Options.Serve was not set.
func (s *Sandbox) Link() net.Conn { return s.link }

// Close removes the state folder, if there are no namespaces with which the kernel
// would remove it.
func (s *Sandbox) Close() error {
	if s.Namespaces || s.Dir == "" {
		return nil
	}
	return os.RemoveAll(s.Dir)
}

// candidates are folders that exist on most Linux systems, and over which a tmpfs may be mounted.
var candidates = []string{"/mnt", "/srv", "/media", "/opt", "/var/tmp", "/tmp", "/dev/shm", "/run", "/home"}

// makeState makes the state folder: on a tmpfs that it mounts over a folder which holds
// nothing that is in use or, without namespaces, as a temporary folder.
func (s *Sandbox) makeState(inUse []string) (err error) {
	if !s.Namespaces {
		s.Dir, err = os.MkdirTemp(memoryDir(), "seatrial-")
		return err
	}
	// Mounts made here must not become visible outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	used := append([]string{os.Args[0]}, inUse...)
	if exe, err := os.Executable(); err == nil {
		used = append(used, exe)
	}
	if wd, err := os.Getwd(); err == nil {
		used = append(used, wd)
	}
	var last error = errors.New("every candidate is in use")
	for _, dir := range candidates {
		if holds(dir, used) {
			continue
		}
		options := fmt.Sprintf("mode=0755,size=%d", s.Limits.State)
		if last = unix.Mount("seatrial", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); last == nil {
			s.mount, s.Dir = dir, filepath.Join(dir, "state")
			return errors.Join(os.Mkdir(s.Dir, 0o755), os.Mkdir(s.cellDir(), 0o755))
		}
	}
	return fmt.Errorf("mount a tmpfs: %w", last)
}

// cellDir is where programs' roots are mounted, each in a namespace of its own.
func (s *Sandbox) cellDir() string { return filepath.Join(s.mount, "/cell") }

// Enter changes to a root that contains the state folder, the system's folders and what
// show lists (a folder of the machine by the path at which it appears, read-only), and
// unmounts the machine's root. Dir changes by that. Without namespaces Enter does
// nothing, and the folders of show stay where they are.
func (s *Sandbox) Enter(show map[string]string) error {
	if !s.Roots() {
		return nil
	}
	if _, err := gitFiles(); err != nil { // must be found while the machine's root is still visible
		return err
	}
	var binds []bind
	for to, from := range show {
		binds = append(binds, bind{from: from, to: to})
	}
	if err := newRoot(s.mount, true, binds); err != nil {
		return fmt.Errorf("make a root: %w", err)
	}
	if err := mountProc(s.mount); err != nil {
		return err
	}
	if err := enter(s.mount); err != nil {
		return err
	}
	s.mount, s.Dir, s.entered = "/", "/state", true
	for name, value := range map[string]string{"HOME": "/tmp", "TMPDIR": "/tmp", "PATH": "/usr/local/bin:/usr/bin:/bin"} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// Entered says whether Enter has changed the root.
func (s *Sandbox) Entered() bool { return s.entered }

// sharedMemory is a tmpfs that all programs of a machine may use.
const sharedMemory = "/dev/shm"

// memoryDir returns /dev/shm if it is a tmpfs with 1 GiB free, or "" for the usual
// folder of temporary files: a container's /dev/shm often has 64 MiB only.
func memoryDir() string {
	const need = 1 << 30
	var st unix.Statfs_t
	if err := unix.Statfs(sharedMemory, &st); err != nil || st.Type != unix.TMPFS_MAGIC || st.Bavail*uint64(st.Bsize) < need {
		return ""
	}
	return sharedMemory
}

// holds says whether one of paths is inside dir, or dir does not exist.
func holds(dir string, paths []string) bool {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return true // not there: nothing to mount over
	}
	for _, p := range paths {
		if p == "" {
			continue
		}
		abs, err := filepath.Abs(p)
		if err != nil {
			return true
		}
		for _, q := range []string{abs, resolved(abs)} {
			if within(q, real) {
				return true
			}
		}
	}
	return false
}

// within says whether p is dir, or below it.
func within(p, dir string) bool {
	return p == dir || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}

// resolved resolves the symbolic links in the part of a path that exists.
func resolved(p string) string {
	for rest := ""; ; {
		if r, err := filepath.EvalSymlinks(p); err == nil {
			return filepath.Join(r, rest)
		}
		parent := filepath.Dir(p)
		if parent == p {
			return filepath.Join(p, rest)
		}
		p, rest = parent, filepath.Join(filepath.Base(p), rest)
	}
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}

// Own returns attributes for a child process: it is killed when this process ends, in a
// sandbox or not, and leads a process group.
func Own() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
