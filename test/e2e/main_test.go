// Package e2e runs the built command on the embedded tier, as a user does.
package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"seatrial.dev/seatrial/internal/report"
	"seatrial.dev/seatrial/test/turn"
)

// seatrial is the command under test.
var seatrial string

// root is the project's folder, and empty a folder that anyone may be in.
var root, empty string

func TestMain(m *testing.M) {
	code := 1
	err := turn.Wait()
	if err == nil {
		code, err = setUp(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func setUp(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "seatrial-e2e-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if root, err = filepath.Abs("../.."); err != nil {
		return 0, err
	}
	// Other users must be able to run the command: one test runs it as nobody.
	if err := os.Chmod(dir, 0o755); err != nil {
		return 0, err
	}
	seatrial, empty = filepath.Join(dir, "seatrial"), filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		return 0, err
	}
	for _, args := range [][]string{{"go", "build", "-o", seatrial, "./cmd/seatrial"}, {seatrial, "engine", "build"}} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = root, os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return 0, fmt.Errorf("%s: %w", strings.Join(args, " "), err)
		}
	}
	return m.Run(), nil
}

// run is one run of the command.
type run struct {
	code           int
	stdout, stderr string
	report         report.Report
}

// read reads the run's report.
func (r *run) read(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &r.report); err != nil {
		t.Fatal(err)
	}
}

// verify runs seatrial verify in an empty folder and reads its report. Sources are stand-ins, so that nothing
// depends on whether the machine has a network; world.verify is for those of the world.
func verify(t *testing.T, args ...string) run {
	t.Helper()
	args = append([]string{"--sources", "stand-in"}, args...)
	file := filepath.Join(t.TempDir(), "report.json")
	r := command(t, nil, append([]string{"verify", "--report", file}, args...)...)
	if _, err := os.Stat(file); err == nil { // a usage error writes none
		r.read(t, file)
	}
	t.Logf("exit %d\n%s%s", r.code, r.stderr, r.stdout)
	return r
}

// command runs seatrial in an empty folder, with some attributes.
func command(t *testing.T, attr *syscall.SysProcAttr, args ...string) run {
	t.Helper()
	return program(t, attr, nil, seatrial, args...)
}

func program(t *testing.T, attr *syscall.SysProcAttr, env []string, name string, args ...string) run {
	t.Helper()
	var stdout, stderr strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = t.TempDir(), &stdout, &stderr, attr
	if attr != nil {
		cmd.Dir = empty
	}
	if env != nil {
		cmd.Env = env
	}
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return run{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}

// writeFiles writes files into a folder, by their names below it.
func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func fixture(name string) string { return filepath.Join(root, "fixtures", "repos", name) }
