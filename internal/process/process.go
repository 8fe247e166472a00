// Package process starts the programs of a rehearsal, keeps what they print and
// ends them together.
package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"seatrial.dev/seatrial/internal/sandbox"
)

// Spec is a program to start.
type Spec struct {
	Name    string   // for logs and messages
	Program string   // absolute path
	Args    []string // without the program's name
	// Env is the whole environment. Nothing is inherited, so the programs get no secret of the
	// caller's.
	Env []string
	// Cell is what the program may reach.
	Cell sandbox.Cell
	// Restarts is how often the program is started again when it ends by itself.
	// Controllers rely on that, as a kubelet does it.
	Restarts int
	// Ready, if set, is a line on stdout that says the program serves.
	Ready string
}

// Group is a set of programs that live and die together.
type Group struct {
	logs string
	box  *sandbox.Sandbox

	mu      sync.Mutex
	running []*running
	failed  chan error
	ending  bool
	undo    []func()
}

type running struct {
	spec  Spec
	cmd   *exec.Cmd    // the current process; guarded by the group's lock
	wait  func() error // waits for the end of the current process
	again func() *exec.Cmd
	log   *os.File
	done  chan struct{} // closed when it will not be started again
}

// NewGroup makes a group that writes the output of each program to a file in the folder logs.
func NewGroup(logs string, box *sandbox.Sandbox) (*Group, error) {
	return &Group{logs: logs, box: box, failed: make(chan error, 1)}, os.MkdirAll(logs, 0o700)
}

// Failed receives the first error: usually that a program ended before Stop.
func (g *Group) Failed() <-chan error { return g.failed }

var errEnded = errors.New("the group has ended")

// Start starts a program and, if Spec.Ready is set, waits for that line. It gives up
// when ctx ends or when the program ends.
func (g *Group) Start(ctx context.Context, s Spec) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	ending := g.ending
	g.mu.Unlock()
	if ending {
		return fmt.Errorf("start %s: %w", s.Name, errEnded)
	}
	if !g.box.Roots() {
		if err := g.provide(s.Cell.At); err != nil {
			return fmt.Errorf("start %s: %w", s.Name, err)
		}
	}
	log, err := os.OpenFile(g.logFile(s.Name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	start := func() *exec.Cmd {
		return &exec.Cmd{Path: s.Program, Args: append([]string{s.Program}, s.Args...), Env: s.Env, Stderr: log, Stdout: log}
	}
	cmd := start()
	ready := newMatcher(s.Ready, log)
	if s.Ready != "" {
		cmd.Stdout = ready
	}
	wait, err := g.box.Start(cmd, s.Cell)
	if err != nil {
		log.Close()
		return fmt.Errorf("start %s: %w", s.Name, err)
	}
	r := &running{spec: s, cmd: cmd, wait: wait, again: start, log: log, done: make(chan struct{})}
	g.mu.Lock()
	ending = g.ending
	g.running = append(g.running, r)
	g.mu.Unlock()
	go g.wait(r)
	if ending { // it was started while Stop ended the others
		g.Stop()
		return fmt.Errorf("start %s: %w", s.Name, errEnded)
	}
	if s.Ready == "" {
		return nil
	}
	select {
	case <-ready.seen:
		return nil
	case <-r.done:
		return fmt.Errorf("%s ended before it was ready:\n%s", s.Name, g.Tail(s.Name, 20))
	case <-ctx.Done():
		return ctx.Err()
	}
}

// provide copies folders to the fixed paths at which a program expects them, for a
// program without a root of its own.
func (g *Group) provide(at map[string]string) error {
	var private []sandbox.Private
	for _, to := range slices.Sorted(maps.Keys(at)) {
		private = append(private, sandbox.Private{Path: to, From: at[to]})
	}
	undo, err := sandbox.Provide(private)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ending { // Stop has come in between, and undoes nothing any more
		undo()
		return errEnded
	}
	g.undo = append(g.undo, undo)
	return nil
}

func (g *Group) wait(r *running) {
	err := r.wait()
	for n := 0; n < r.spec.Restarts && g.restart(r, n); n++ {
		err = r.wait()
	}
	r.log.Close()
	close(r.done)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ending {
		return
	}
	if err == nil {
		err = errors.New("exit status 0")
	}
	g.fail(fmt.Errorf("%s ended: %w\n%s", r.spec.Name, err, g.Tail(r.spec.Name, 20)))
}

// fail sends the first error to Failed; later ones are dropped.
func (g *Group) fail(err error) {
	select {
	case g.failed <- err:
	default:
	}
}

// LimitMemory ends the rehearsal if the programs together take too much memory. It watches
// them until done is closed.
func (g *Group) LimitMemory(done <-chan struct{}) { g.box.LimitMemory(done, g.pids, g.fail) }

// pids are the programs, each of which leads a process group.
func (g *Group) pids() []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []int
	for _, r := range g.running {
		out = append(out, r.cmd.Process.Pid)
	}
	return out
}

// restart starts a program again, n+1 times 200 ms after its end, unless the group is
// being stopped.
func (g *Group) restart(r *running, n int) bool {
	time.Sleep(time.Duration(n+1) * 200 * time.Millisecond)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ending {
		return false
	}
	next := r.again()
	wait, err := g.box.Start(next, r.spec.Cell)
	if err != nil {
		return false
	}
	r.cmd, r.wait = next, wait
	return true
}

// Stop kills all programs, the last started first.
func (g *Group) Stop() {
	g.mu.Lock()
	g.ending = true
	all, undo := g.running, g.undo
	g.running, g.undo = nil, nil
	for i := len(all) - 1; i >= 0; i-- {
		select {
		case <-all[i].done: // another process may have its id by now
		default:
			_ = syscall.Kill(-all[i].cmd.Process.Pid, syscall.SIGKILL) // nothing has to be saved
		}
	}
	g.mu.Unlock()
	late, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, r := range all {
		select {
		case <-r.done:
		case <-late.Done():
		}
	}
	for _, f := range undo {
		f()
	}
}

// Logs returns the file of each program's output, by name.
func (g *Group) Logs() map[string]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := map[string]string{}
	for _, r := range g.running {
		out[r.spec.Name] = g.logFile(r.spec.Name)
	}
	return out
}

func (g *Group) logFile(name string) string { return filepath.Join(g.logs, name+".log") }

// Tail returns the last lines of a program's output, of 16 KiB at most.
func (g *Group) Tail(name string, lines int) string {
	f, err := os.Open(g.logFile(name))
	if err != nil {
		return ""
	}
	defer f.Close()
	const most = 16 << 10
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return ""
	}
	if _, err := f.Seek(max(0, end-most), io.SeekStart); err != nil {
		return ""
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return ""
	}
	if end > most { // a cut-off line may hold part of a secret value, which redaction would not recognise
		_, b, _ = bytes.Cut(b, []byte("\n"))
	}
	all := bytes.Split(bytes.TrimRight(b, "\n"), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

// matcher passes output on, and closes seen when a whole line equals want.
type matcher struct {
	want []byte
	to   io.Writer
	seen chan struct{}
	once sync.Once
	rest []byte
}

func newMatcher(line string, to io.Writer) *matcher {
	return &matcher{want: []byte(line), to: to, seen: make(chan struct{})}
}

// Write implements io.Writer.
func (m *matcher) Write(b []byte) (int, error) {
	m.rest = append(m.rest, b...)
	for {
		i := bytes.IndexByte(m.rest, '\n')
		if i < 0 {
			break
		}
		if bytes.Equal(m.rest[:i], m.want) {
			m.once.Do(func() { close(m.seen) })
		}
		m.rest = m.rest[i+1:]
	}
	_, _ = m.to.Write(b)
	return len(b), nil
}
