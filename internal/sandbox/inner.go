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
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrAbandoned is the cause of a context that ended because the outer process is gone.
var ErrAbandoned = errors.New("the command that started the sandbox is gone")

// Sandbox is the inner process's view of where it runs.
type Sandbox struct {
	Mode
	// Dir is a private, empty folder for state: a tmpfs wherever mounts are allowed.
	Dir string

	lifeLine *os.File
	verdict  *os.File
	listener net.Listener
	kept     chan struct{}
}

// Inside returns the sandbox that this process runs in, or nil for a process
// that a person started. inUse are paths that must stay visible.
// The returned context ends when the outer process does.
func Inside(ctx context.Context, inUse ...string) (context.Context, *Sandbox, error) {
	setting, ok := os.LookupEnv(envVar)
	if !ok {
		return ctx, nil, nil
	}
	_ = os.Unsetenv(envVar) // no child of ours is an inner process
	s := &Sandbox{kept: make(chan struct{})}
	if err := json.Unmarshal([]byte(setting), &s.Mode); err != nil {
		return ctx, nil, fmt.Errorf("%s: %w", envVar, err)
	}
	s.lifeLine = inherited(fdLifeLine, "life line")
	s.verdict = inherited(fdVerdict, "verdict")
	if f := inherited(fdListener, "listener"); f != nil {
		l, err := net.FileListener(f)
		if err == nil {
			s.listener = l
		}
		f.Close()
	}
	if s.lifeLine == nil {
		return ctx, nil, fmt.Errorf("%s is set, but this process has no life line: unset it", envVar)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go s.holdOn(cancel)
	if s.Build {
		return ctx, s, nil
	}
	if s.Namespaces && !s.HostNetwork {
		if err := loopbackUp(); err != nil {
			return ctx, nil, fmt.Errorf("bring up loopback: %w", err)
		}
	}
	dir, err := s.stateDir(inUse)
	if err != nil {
		return ctx, nil, fmt.Errorf("make a state folder: %w", err)
	}
	s.Dir = dir
	return ctx, s, nil
}

func inherited(fd uintptr, name string) *os.File {
	if _, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err != nil {
		return nil
	}
	unix.CloseOnExec(int(fd))
	return os.NewFile(fd, name)
}

// holdOn returns when the outer process is gone.
func (s *Sandbox) holdOn(cancel context.CancelCauseFunc) {
	_, _ = io.Copy(io.Discard, s.lifeLine)
	select {
	case <-s.kept:
		return
	default:
	}
	cancel(ErrAbandoned)
	if s.Namespaces {
		os.Exit(2) // the kernel ends all else
	}
}

// Keep lets the sandbox outlive the outer process, which ends with code at once.
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
	_, err = s.verdict.Write([]byte{byte(code)})
	return err
}

// Listener is the socket on the host's loopback, nil if none was asked for.
func (s *Sandbox) Listener() net.Listener { return s.listener }

// Close removes what the kernel would not.
func (s *Sandbox) Close() error {
	if s.Namespaces || s.Dir == "" {
		return nil
	}
	return os.RemoveAll(s.Dir)
}

// candidates are folders of any Linux system that a tmpfs may hide inside the
// sandbox. /run and /home are not among them: WithPrivate may hide those.
var candidates = []string{"/mnt", "/srv", "/media", "/opt", "/var/tmp", "/tmp", "/dev/shm"}

// stateDir mounts a tmpfs over a folder that holds nothing that is in use, or makes a temporary folder.
func (s *Sandbox) stateDir(inUse []string) (string, error) {
	if !s.Namespaces {
		return os.MkdirTemp(memoryDir(), "seatrial-")
	}
	// Nothing that is mounted here may show outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return "", fmt.Errorf("make mounts private: %w", err)
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
		if last = unix.Mount("seatrial", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0700,size=75%"); last == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("mount a tmpfs: %w", last)
}

// memoryDir is a tmpfs that has room for a cluster, or "" for the usual place
// of temporary files: a container's /dev/shm often has 64 MiB.
func memoryDir() string {
	const shm, need = "/dev/shm", 1 << 30
	var st unix.Statfs_t
	if err := unix.Statfs(shm, &st); err != nil || st.Type != unix.TMPFS_MAGIC || st.Bavail*uint64(st.Bsize) < need {
		return ""
	}
	return shm
}

// holds says whether one of paths is inside dir.
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
			if q == real || strings.HasPrefix(q, real+"/") {
				return true
			}
		}
	}
	return false
}

// resolved follows symbolic links as far as the path exists.
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

// Own gives a child's attributes: it dies with this process, in a sandbox or not.
func Own() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
