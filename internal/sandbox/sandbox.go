// Package sandbox runs this command again in a place where it can leave nothing behind,
// and where nothing that a repo has it do can reach the machine.
//
// A rehearsal starts a dozen processes, and any of them may outlive a parent that is
// killed. So the process that a person starts (the outer process) does no work itself:
// it starts the command a second time (the inner process) inside private user, pid,
// network, mount and IPC namespaces, passes on signals and the exit code, and writes
// the reports that it is handed. Ports can't collide there, and nothing listens
// outside. When the inner process dies, the kernel ends every process, mount and
// network of the sandbox with it.
//
// The inner process learns of the outer one's death through a pipe (the life line), so
// even SIGKILL ends it. It takes the tree while it still sees the machine's files, and
// then changes to a root of its own (Enter), on a tmpfs. Each program that it starts
// gets a cell: a root of its own with just what that program needs, another user than
// root, no capabilities, and Landlock in addition.
//
// Where a container forbids new namespaces, the inner process runs without them: it
// then shares the container's loopback, keeps its state in a temporary folder and
// removes that itself, and Landlock alone confines the programs. Where neither is
// available, nothing runs, unless the user allows it.
package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"seatrial.dev/seatrial/internal/hint"
)

// envVar is the environment variable that carries Mode to the inner process. A process
// that has it is an inner process.
const envVar = "SEATRIAL_SANDBOX"

// File descriptors that the inner process is born with.
const (
	fdLifeLine = 3 // read end: end of file means that the outer process is gone
	fdParcels  = 4 // write end: the parcels of the inner process
	fdPayload  = 5 // read end: the payload of the outer process, which may hold a key
	fdLink     = 6 // a socket whose other end the outer process serves: what the inner one asks of it
	fdListener = 7 // a listening socket of the host's network, for a cluster that is kept
)

// Mode says what the inner process is given.
type Mode struct {
	// Namespaces is false where the kernel or a container forbids them.
	Namespaces bool `json:"namespaces"`
	// UserNamespace is true if the namespaces belong to a user who is not root.
	UserNamespace bool `json:"userNamespace,omitempty"`
	// Landlock is the version of Landlock that confines the programs; 0: it is not used.
	Landlock int `json:"landlock,omitempty"`
	// Unconfined runs programs without confining them.
	Unconfined bool `json:"unconfined,omitempty"`
	// HostNetwork leaves the inner process in the host's network, to reach clusters over it.
	HostNetwork bool `json:"hostNetwork,omitempty"`
	// Build is for builds, which download modules: the host's network and mounts are
	// kept, and there is no state folder and no key.
	Build bool `json:"build,omitempty"`
	// Linked is true if there is somebody at the other end of the link.
	Linked bool `json:"linked,omitempty"`
	// Listens is true if a listening socket is handed over. Otherwise its file descriptor is
	// whatever this program has opened first: often the Go runtime's own.
	Listens bool `json:"listens,omitempty"`
	// Limits are what the rehearsal may take.
	Limits Limits `json:"limits"`
	// Why says why there are no namespaces.
	Why string `json:"why,omitempty"`
}

// Options are what Run starts.
type Options struct {
	Args        []string // arguments of the command, without its name
	HostNetwork bool     // see Mode
	Build       bool     // see Mode
	Listen      bool     // hand over a socket that listens on the host's loopback
	// Serve serves the outer end of the link, until the connection ends; nil: there is no link.
	Serve func(net.Conn)
	// Unconfined has Run go on even if nothing can confine the programs.
	Unconfined bool
	// Payload is given to the inner process over a pipe, as JSON: neither its
	// environment nor its arguments hold a key.
	Payload any
	// Receive is called with each parcel that the inner process sends. pid is the inner
	// process, and addr the address of the listening socket, if Listen is set.
	Receive func(p Parcel, pid int, addr string) error
	// Abrupt kills the inner process if it does not end within 700 ms when it is asked to.
	// That is for runs that have nothing outside of the sandbox that would be left behind.
	Abrupt bool
	// Share is how many sandboxes share the machine's memory; 0 is 1.
	Share int
	// Stderr gets what the inner process tells; nil: this process's own.
	Stderr io.Writer
}

// endsWithin is how long an inner process may take to end when it is asked to, if
// Abrupt is set.
const endsWithin = 700 * time.Millisecond

// unconfinable is the error for a machine that can't confine programs.
func unconfinable(why string) error {
	return hint.New("this machine can't confine what a repo has programs do: "+why,
		"run it where user namespaces or Linux 6.7 are to be had (seatrial doctor says what is missing), or, for a repo that you trust, with --unconfined")
}

// Run starts this command again with o.Args inside a sandbox, waits for it and returns
// its exit code. When ctx ends, it asks the inner process to stop.
func Run(ctx context.Context, o Options) (int, error) {
	// The kernel sends Pdeathsig when the thread that started the child ends, even if
	// the process lives on.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	able := weakened(Examine())
	mode := Mode{
		Namespaces: able.Namespaces == nil, Landlock: able.Landlock, Limits: machineLimits(max(o.Share, 1)),
		HostNetwork: o.HostNetwork || o.Build, Build: o.Build,
	}
	if able.Namespaces != nil {
		mode.Why = able.Namespaces.Error()
	}
	mode.UserNamespace = mode.Namespaces && os.Geteuid() != 0
	if err := able.Confines(); err != nil && !o.Build {
		if !o.Unconfined {
			return 2, err
		}
		mode.Unconfined = true
	}
	child, err := start(mode, o)
	if err != nil {
		return 2, fmt.Errorf("start sandbox: %w", err)
	}
	return child.wait(ctx)
}

// Probe says why this machine grants no private namespaces, or returns nil. Some
// machines grant namespaces but forbid every mount in them, so Probe does what a
// sandbox needs, in a child process.
func Probe() error {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{probeName}
	cmd.Env = []string{}
	cmd.SysProcAttr = attributes(Mode{Namespaces: true, UserNamespace: os.Geteuid() != 0}, false)
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) > 0 {
		return errors.New(strings.TrimSpace(string(out)))
	}
	return err
}

// inner is the running inner process as the outer one sees it.
type inner struct {
	Options
	cmd      *exec.Cmd
	lifeLine *os.File
	addr     string
	stays    chan stay
	received chan error
	failed   []error // of Receive
}

func start(mode Mode, o Options) (_ *inner, err error) {
	var p pipes
	defer func() { p.close(err != nil) }()
	lifeWrite, err := p.make(true)
	if err != nil {
		return nil, err
	}
	parcelsRead, err := p.make(false)
	if err != nil {
		return nil, err
	}
	payloadWrite, err := p.make(true)
	if err != nil {
		return nil, err
	}
	payload, err := json.Marshal(o.Payload)
	if err != nil {
		return nil, err
	}
	link, err := p.link()
	if err != nil {
		return nil, err
	}
	mode.Listens, mode.Linked = o.Listen, o.Serve != nil
	setting, err := json.Marshal(mode)
	if err != nil {
		return nil, err
	}
	c := &inner{Options: o, lifeLine: lifeWrite, stays: make(chan stay, 1), received: make(chan error, 1)}
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
		p.theirs, c.addr = append(p.theirs, f), l.Addr().String()
	}
	cmd := exec.Command("/proc/self/exe", o.Args...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdout, cmd.Stderr = os.Stdout, o.stderr()
	cmd.Env = append(environment(mode), envVar+"="+string(setting))
	cmd.ExtraFiles = p.theirs
	cmd.SysProcAttr = attributes(mode, o.Listen)
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, link.Close())
	}
	c.cmd = cmd
	// Without namespaces, the inner process must clean up itself, so it is not killed.
	c.Abrupt = o.Abrupt && mode.Namespaces
	go func() {
		defer payloadWrite.Close()
		_, _ = payloadWrite.Write(payload) // fails only if the inner process has ended
	}()
	go func() {
		defer link.Close()
		if o.Serve != nil {
			o.Serve(link)
		}
	}()
	go func() {
		defer parcelsRead.Close()
		c.received <- receive(parcelsRead, c.take)
	}()
	return c, nil
}

// take passes a parcel on.
func (c *inner) take(p Parcel) error {
	if p.Kind == parcelStays {
		code, err := strconv.Atoi(string(p.Data))
		c.stays <- stay{code, errors.Join(append(c.failed, err)...)}
		return err
	}
	if c.Receive == nil {
		return fmt.Errorf("nobody takes a %s from the sandbox", p.Kind)
	}
	err := c.Receive(p, c.cmd.Process.Pid, c.addr)
	if err != nil {
		c.failed = append(c.failed, err)
	}
	return err
}

// stay says that the inner process outlives the outer one.
type stay struct {
	code int
	err  error // what could not be received before
}

// inherited are the environment variables that an inner process inherits if it acts on
// behalf of a repo.
var inherited = []string{"PATH", "HOME", "TMPDIR", "TERM", "NO_COLOR", "LANG", "TZ", "GOCOVERDIR", "GOMAXPROCS", "GODEBUG", "GOTRACEBACK"}

// environment returns the variables that the inner process inherits: no key and, if it
// acts on behalf of a repo, only those that the console and temporary files depend on.
func environment(mode Mode) []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		if mode.HostNetwork {
			return strings.HasPrefix(name, "SOPS_AGE_")
		}
		return !slices.Contains(inherited, name)
	})
}

// ambient are the capabilities that the inner process has within its user namespace, if
// it is not root: for making roots, cells and a network, and for managing them.
var ambient = []uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER, unix.CAP_KILL,
	unix.CAP_SETPCAP, unix.CAP_NET_ADMIN, unix.CAP_SYS_CHROOT, unix.CAP_SYS_PTRACE, unix.CAP_SYS_ADMIN,
}

// attributes returns the attributes with which the inner process is started.
func attributes(mode Mode, outlives bool) *syscall.SysProcAttr {
	// A process group of its own: the terminal's ^C reaches the outer process, which passes it on.
	a := &syscall.SysProcAttr{Setpgid: true}
	if !mode.Namespaces {
		return a // no Pdeathsig: it has to remove its folder when the life line breaks
	}
	if !outlives {
		a.Pdeathsig = syscall.SIGKILL
	}
	a.Cloneflags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
	if !mode.HostNetwork && !without("network") {
		a.Cloneflags |= syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC
	}
	if mode.UserNamespace {
		a.Cloneflags |= syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: programID, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: programID, HostID: os.Getegid(), Size: 1}}
		a.AmbientCaps = ambient
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
	done := ctx.Done()
	var asked time.Time
	ask := func() {
		if !asked.IsZero() {
			return
		}
		asked = time.Now()
		_ = c.cmd.Process.Signal(syscall.SIGTERM)
		if c.Abrupt {
			time.AfterFunc(endsWithin, func() { _ = c.cmd.Process.Kill() })
		}
	}
	for {
		select {
		case err := <-ended:
			received := <-c.received // handle all parcels first
			code, err := exitCode(err)
			if !asked.IsZero() && (err != nil || received != nil) {
				return 2, context.Canceled // it was cut off
			}
			return code, errors.Join(err, received)
		case s := <-c.stays:
			if s.err != nil { // the user did not get everything, so nothing stays
				_ = c.cmd.Process.Kill()
				<-ended
				return 2, s.err
			}
			return s.code, nil
		case <-done:
			done = nil
			ask()
		case <-signals:
			// A second signal kills the inner process, and the whole sandbox with it, without
			// waiting for a clean end. A signal within a second of the first is ignored: it is
			// the same one, sent to the process and to its group.
			if asked.IsZero() {
				ask()
			} else if time.Since(asked) > time.Second {
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
