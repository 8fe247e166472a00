package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		path, dir string
		want      bool
	}{
		{"/a", "/a", true}, {"/a/b", "/a", true}, {"/ab", "/a", false}, {"/", "/a", false}, {"/a", "/", true}, {"/a", "/a/", false}, {"/a/b", "/a/", true}, {"", "/", false},
	} {
		if got := within(c.path, c.dir); got != c.want {
			t.Errorf("%q in %q: got %v, want %v", c.path, c.dir, got, c.want)
		}
	}
}

// A folder is not mounted over if anything in it is in use, by whatever path.
func TestHolds(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	used, free := filepath.Join(base, "used"), filepath.Join(base, "free")
	for _, dir := range []string{used, free} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"to-used": used, "to-free": free, "used/to-free": free, "nowhere": filepath.Join(base, "gone")} {
		if err := os.Symlink(to, filepath.Join(base, link)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(used)
	in := func(name string) string { return filepath.Join(base, name) }
	for _, c := range []struct {
		dir, path string
		want      bool
	}{
		{used, in("used/file"), true}, {used, used, true}, {used, in("free/file"), false}, {used, in("used2"), false}, {used, base, false},
		{used, in("to-used/not/yet/there"), true}, {in("to-used"), in("used/file"), true},
		{free, in("used/to-free/file"), true}, {used, in("used/to-free/file"), true}, // the link itself, and where it leads
		{used, "relative", true}, {free, "../free/x", true}, {used, "", false}, {in("gone"), "/elsewhere", true},
	} {
		if got := holds(c.dir, []string{"/elsewhere", c.path}); got != c.want {
			t.Errorf("%s in %s: got %v, want %v", c.path, c.dir, got, c.want)
		}
	}
	for path, want := range map[string]string{in("to-used/a/b"): in("used/a/b"), in("nowhere/a"): in("nowhere/a"), "/": "/", in("used/to-free"): free} {
		if got := resolved(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// Parcels arrive unchanged.
func TestHand(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := &Sandbox{parcels: w}
	if err := s.Hand("log", "a.log", []byte("one\ntwo")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if want := `{"kind":"log","name":"a.log","size":7}` + "\none\ntwo"; err != nil || string(b) != want {
		t.Errorf("got %q, %v, want %q", b, err, want)
	}
	if err := s.Hand("log", "", nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("nobody takes it: got %v", err)
	}
}

// Close removes the state folder without namespaces only; otherwise the kernel does it.
func TestClose(t *testing.T) {
	if err := (&Sandbox{}).Close(); err != nil {
		t.Errorf("without a folder: got %v", err)
	}
	for _, namespaces := range []bool{true, false} {
		s := &Sandbox{Mode: Mode{Namespaces: namespaces}, Dir: filepath.Join(t.TempDir(), "state")}
		if err := os.MkdirAll(filepath.Join(s.Dir, "a", "b"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(s.Dir); (err == nil) != namespaces {
			t.Errorf("namespaces %v: got %v", namespaces, err)
		}
	}
}

// File descriptors that nothing was handed over by are not touched: the Go runtime keeps some
// of its own, and reads whatever file has their numbers later.
func TestInsideLeavesOtherDescriptors(t *testing.T) {
	if os.Getenv("SEATRIAL_TEST_INSIDE") != "" {
		_, box, err := Inside(t.Context(), nil, nil)
		if err != nil || box == nil {
			t.Fatal(err)
		}
		for _, fd := range []int{fdLink, fdListener} {
			if to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)); err != nil || !strings.HasSuffix(to, "/other") {
				t.Errorf("descriptor %d is %q, %v", fd, to, err)
			}
		}
		return
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("this is no number, as the runtime's is"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(other)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var p pipes
	for _, childReads := range []bool{true, false, true} {
		if _, err := p.make(childReads); err != nil {
			t.Fatal(err)
		}
	}
	p.ours[2].Close() // the payload is empty
	defer p.close(true)
	setting, err := json.Marshal(Mode{HostNetwork: true, Build: true})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run", "^TestInsideLeavesOtherDescriptors$")
	cmd.Env, cmd.ExtraFiles = append(os.Environ(), "SEATRIAL_TEST_INSIDE=1", envVar+"="+string(setting)), append(slices.Clone(p.theirs), f, f)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
