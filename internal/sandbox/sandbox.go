// Package sandbox runs this command again where it can leave nothing behind.
//
// A rehearsal starts a dozen processes, and any of them may outlive a parent
// that is killed. So the command that a person starts does no work itself: it
// starts itself a second time inside private user, pid, network, mount and IPC
// namespaces and only passes on signals and the exit code. Ports can't collide
// there and nothing listens outside; when that second process dies, the kernel
// ends every process, mount and network of the sandbox with it.
//
// The inner process learns of the outer one's death through a pipe (the life
// line), so even SIGKILL ends it. Where a container forbids new namespaces the
// inner process runs without them: it then shares the container's loopback,
// keeps its state in a temporary folder and removes that itself.
package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// envVar carries Mode to the inner process; its presence says that this is one.
const envVar = "SEATRIAL_SANDBOX"

// File descriptors that the inner process is born with.
const (
	fdLifeLine = 3 // read end: end of file means that the outer process is gone
	fdVerdict  = 4 // write end: the exit code, when the inner process outlives the outer one
	fdListener = 5 // a listening socket of the host's network, for a cluster that is kept
)

// Mode says what the inner process is given.
type Mode struct {
	// Namespaces is false where the kernel or a container forbids them.
	Namespaces bool `json:"namespaces"`
	// HostNetwork keeps the host's network: for clusters that are reached over it.
	HostNetwork bool `json:"hostNetwork,omitempty"`
	// Build keeps the host's network and mounts, and has no state or keys: for
	// builds, which download modules.
	Build bool `json:"build,omitempty"`
	// Why says why there are no namespaces.
	Why string `json:"why,omitempty"`
}

// Options are what Run starts.
type Options struct {
	Args        []string // arguments of the command, without its name
	HostNetwork bool     // see Mode
	Build       bool     // see Mode
	Listen      bool     // hand over a socket that listens on the host's loopback
}

// Run starts this command again with o.Args inside a sandbox, waits for it and
// returns its exit code. ctx's end asks the inner process to stop.
func Run(ctx context.Context, o Options) (int, error) {
	// Pdeathsig fires when the thread that started the child ends, not the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mode := Mode{Namespaces: true, HostNetwork: o.HostNetwork || o.Build, Build: o.Build}
	if err := Probe(); err != nil {
		mode.Namespaces, mode.Why = false, err.Error()
	}
	child, err := start(mode, o)
	if err != nil {
		return 2, fmt.Errorf("start sandbox: %w", err)
	}
	return child.wait(ctx)
}

// Probe says why this machine grants no private namespaces, or nil. Some let
// them be made and then forbid every mount in them, so it tries one.
func Probe() error {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{probeName}
	cmd.Env = []string{}
	cmd.SysProcAttr = attributes(Mode{Namespaces: true}, os.Geteuid(), os.Getegid(), false)
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) > 0 {
		return errors.New(strings.TrimSpace(string(out)))
	}
	return err
}

// inner is the running inner process as the outer one sees it.
type inner struct {
	cmd      *exec.Cmd
	lifeLine *os.File
	verdict  *os.File
}

func start(mode Mode, o Options) (*inner, error) {
	lifeRead, lifeWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer lifeRead.Close()
	verdictRead, verdictWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer verdictWrite.Close()
	setting, err := json.Marshal(mode)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("/proc/self/exe", o.Args...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(environment(o.Build), envVar+"="+string(setting))
	cmd.ExtraFiles = []*os.File{lifeRead, verdictWrite}
	if o.Listen {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			return nil, err
		}
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	cmd.SysProcAttr = attributes(mode, os.Geteuid(), os.Getegid(), o.Listen)
	if err := cmd.Start(); err != nil {
		lifeWrite.Close()
		verdictRead.Close()
		return nil, err
	}
	return &inner{cmd: cmd, lifeLine: lifeWrite, verdict: verdictRead}, nil
}

// environment is what the inner process inherits. One that builds has no use for keys.
func environment(build bool) []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return build && strings.HasPrefix(kv, "SOPS_AGE_")
	})
}

// attributes says how the inner process is cloned.
func attributes(mode Mode, uid, gid int, outlives bool) *syscall.SysProcAttr {
	// A process group of its own: the terminal's ^C reaches the outer process, which passes it on.
	a := &syscall.SysProcAttr{Setpgid: true}
	if !mode.Namespaces {
		return a // its life line must be enough: it has a folder to remove
	}
	if !outlives {
		a.Pdeathsig = syscall.SIGKILL
	}
	a.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
	if !mode.HostNetwork {
		a.Cloneflags |= syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC
	}
	if uid != 0 {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}}
	}
	return a
}

// wait passes signals on until the inner process ends or says that it stays.
func (c *inner) wait(ctx context.Context) (int, error) {
	defer c.lifeLine.Close()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	ended := make(chan error, 1)
	go func() { ended <- c.cmd.Wait() }()
	stays := make(chan byte, 1)
	go func() {
		var b [1]byte
		if n, _ := c.verdict.Read(b[:]); n == 1 {
			stays <- b[0]
		}
	}()
	done := ctx.Done()
	var asked time.Time
	for {
		select {
		case err := <-ended:
			return exitCode(err)
		case code := <-stays:
			return int(code), nil
		case <-done:
			done = nil
			_ = c.cmd.Process.Signal(syscall.SIGTERM)
		case <-signals:
			// A second signal does not wait for a tidy end; the sandbox is gone with its first
			// process. What comes in the same second is the same signal, sent to the process
			// and to its group.
			switch {
			case asked.IsZero():
				asked = time.Now()
				_ = c.cmd.Process.Signal(syscall.SIGTERM)
			case time.Since(asked) > time.Second:
				_ = c.cmd.Process.Kill()
			}
		}
	}
}

func exitCode(err error) (int, error) {
	var exit *exec.ExitError
	if err == nil {
		return 0, nil
	}
	if !errors.As(err, &exit) {
		return 2, err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 2, fmt.Errorf("the sandbox was ended by signal %q", status.Signal())
	}
	return exit.ExitCode(), nil
}
