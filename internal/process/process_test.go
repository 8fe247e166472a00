package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"seatrial.dev/seatrial/internal/sandbox"
)

// group returns a group that runs programs unconfined: they are the tests' own shell scripts.
func group(t *testing.T) *Group {
	t.Helper()
	g, err := NewGroup(filepath.Join(t.TempDir(), "logs"), &sandbox.Sandbox{Mode: sandbox.Mode{Unconfined: true}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Stop)
	return g
}

func script(name, text string) Spec {
	return Spec{Name: name, Program: "/bin/sh", Args: []string{"-c", text}}
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func failure(t *testing.T, g *Group) string {
	t.Helper()
	select {
	case err := <-g.Failed():
		return err.Error()
	case <-soon(t).Done():
		t.Fatal("no failure is told")
		return ""
	}
}

// alive says whether a process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

// A program that ends before Stop, in whatever way, is reported as a failure with its last output.
func TestFailed(t *testing.T) {
	for text, want := range map[string]string{
		"for i in $(seq 30); do echo line $i; done; echo last >&2; exit 3": "tool ended: exit status 3\nline 12\n",
		"echo bye":        "tool ended: exit status 0\nbye",
		"echo a; kill $$": "tool ended: signal: terminated\na",
	} {
		g := group(t)
		if err := g.Start(soon(t), script("tool", text)); err != nil {
			t.Fatal(err)
		}
		if got := failure(t, g); !strings.HasPrefix(got, want) || strings.Contains(text, "last") && !strings.HasSuffix(got, "\nline 30\nlast") {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// Only the first failure is reported, as others follow from it; later ones block nobody.
func TestFailedTellsTheFirst(t *testing.T) {
	g := group(t)
	for _, what := range []string{"first", "second", "third"} {
		g.fail(errors.New(what))
	}
	if got := failure(t, g); got != "first" {
		t.Errorf("got %q", got)
	}
	select {
	case err := <-g.Failed():
		t.Errorf("and another: %v", err)
	default:
	}
}

// Programs inherit nothing from this process's environment.
func TestEnvironment(t *testing.T) {
	t.Setenv("SEATRIAL_TEST_SECRET", "hunter2")
	g := group(t)
	s := Spec{Name: "env", Program: "/usr/bin/env", Env: []string{"ONE=1", "TWO=2"}}
	if err := g.Start(soon(t), s); err != nil {
		t.Fatal(err)
	}
	failure(t, g)
	if got := g.Tail("env", 20); got != "ONE=1\nTWO=2" {
		t.Errorf("got %q", got)
	}
}

// A program is started again Restarts times; after that, its end is a failure.
func TestRestarts(t *testing.T) {
	g := group(t)
	s := script("tool", "echo started; exit 1")
	s.Restarts = 2
	if err := g.Start(soon(t), s); err != nil {
		t.Fatal(err)
	}
	if got := failure(t, g); got != "tool ended: exit status 1\nstarted\nstarted\nstarted" {
		t.Errorf("got %q", got)
	}
}

// Stop ends programs with their children, starts none again, and reports no failure.
func TestStop(t *testing.T) {
	g := group(t)
	s := script("tool", "trap '' TERM; sleep 60 & echo $! ; echo ready; wait")
	s.Ready, s.Restarts = "ready", 5
	if err := g.Start(soon(t), s); err != nil {
		t.Fatal(err)
	}
	if got, want := g.Logs(), filepath.Join(g.logs, "tool.log"); len(got) != 1 || got["tool"] != want {
		t.Errorf("logs: got %v, want %s", got, want)
	}
	child, err := strconv.Atoi(strings.Split(g.Tail("tool", 2), "\n")[0])
	if err != nil || !alive(child) {
		t.Fatalf("child %d: %v", child, err)
	}
	leader := g.pids()[0]
	g.Stop()
	if alive(leader) {
		t.Error("the program still runs")
	}
	for deadline := time.Now().Add(5 * time.Second); alive(child) && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if alive(child) {
		_ = syscall.Kill(child, syscall.SIGKILL)
		t.Error("its child still runs")
	}
	select {
	case err := <-g.Failed():
		t.Errorf("a failure is told: %v", err)
	default:
	}
	if got := strings.Count(g.Tail("tool", 20), "ready"); got != 1 {
		t.Errorf("it was started %d times", got)
	}
	g.Stop() // once more does nothing
}

// A program that is started while a group ends, or later, does not stay.
func TestStartAfterStop(t *testing.T) {
	g := group(t)
	g.Stop()
	if err := g.Start(soon(t), script("late", "sleep 60")); err == nil || !strings.Contains(err.Error(), "the group has ended") {
		t.Errorf("got %v", err)
	}
	if pids := g.pids(); len(pids) > 0 {
		t.Errorf("it runs: %v", pids)
	}
}

// Folders at fixed paths exist as long as the group.
func TestProvidesFolders(t *testing.T) {
	from, at := t.TempDir(), filepath.Join(t.TempDir(), "a", "b")
	if err := os.WriteFile(filepath.Join(from, "f"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := group(t)
	s := script("tool", "cat "+at+"/f; echo; sleep 60")
	s.Ready, s.Cell.At = "content", map[string]string{at: from}
	if err := g.Start(soon(t), s); err != nil {
		t.Fatal(err)
	}
	s.Name = "another" // the folder is not its own
	if err := g.Start(soon(t), s); err == nil || !strings.HasPrefix(err.Error(), "start another: ") {
		t.Errorf("got %v", err)
	}
	g.Stop()
	if _, err := os.Stat(filepath.Dir(at)); !os.IsNotExist(err) {
		t.Errorf("after Stop: %v", err)
	}
}

// What is started after the end of the group, or of the caller's patience, makes no folder: nobody
// would remove it.
func TestNothingIsProvidedAfterTheEnd(t *testing.T) {
	ended := group(t)
	ended.Stop()
	late, cancel := context.WithCancel(t.Context())
	cancel()
	for name, start := range map[string]func(Spec) error{
		"a group that has ended": func(s Spec) error { return ended.Start(soon(t), s) },
		"a context that is over": func(s Spec) error { return group(t).Start(late, s) },
		// Stop comes between the first look and the folder.
		"a group that ends meanwhile": func(s Spec) error { return ended.provide(s.Cell.At) },
	} {
		at := filepath.Join(t.TempDir(), "at")
		s := script("tool", "exit 0")
		s.Cell.At = map[string]string{at: t.TempDir()}
		if err := start(s); !errors.Is(err, errEnded) && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := os.Stat(at); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the folder is there (%v)", name, err)
		}
	}
}
