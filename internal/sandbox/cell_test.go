package sandbox

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// allowed returns the rights of a cell's rules, by path.
func allowed(c Cell) map[string]uint64 {
	out := map[string]uint64{}
	for _, r := range (&Sandbox{}).rules(c) {
		out[r.path] |= r.rights
	}
	return out
}

// A cell's rules grant what it lists and no more.
func TestRules(t *testing.T) {
	const execute = rightsRead | unix.LANDLOCK_ACCESS_FS_EXECUTE
	none := allowed(Cell{})
	got := allowed(Cell{Read: []string{"/r"}, Execute: []string{"/x"}, Write: []string{"/w"}, At: map[string]string{"/at": "/state/at"}})
	want := maps.Clone(none)
	maps.Copy(want, map[string]uint64{"/r": rightsRead, "/x": execute, "/w": rightsWrite, "/at": rightsWrite})
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for path, rights := range none {
		if writes := rights&rightsWrite&^rightsRead != 0; writes != within(path, "/dev") || rights&unix.LANDLOCK_ACCESS_FS_EXECUTE != 0 {
			t.Errorf("every program may do %#x to %s", rights, path)
		}
	}
	for _, path := range []string{"/", "/etc", "/etc/shadow", "/proc", "/dev", "/usr"} {
		if none[path] != 0 {
			t.Errorf("every program may do %#x to %s", none[path], path)
		}
	}
	if got := allowed(Cell{Git: true})["/usr"]; got != rightsRead {
		t.Errorf("git may do %#x to /usr, want to read", got)
	}
}

// A path that a program may write to can't be executed, and no device can be made there.
func TestRightsToWrite(t *testing.T) {
	for name, right := range map[string]uint64{"run": unix.LANDLOCK_ACCESS_FS_EXECUTE, "make block devices": unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK, "make character devices": unix.LANDLOCK_ACCESS_FS_MAKE_CHAR} {
		if rightsWrite&right != 0 {
			t.Errorf("who may write may %s", name)
		}
	}
}

func TestInSystem(t *testing.T) {
	for path, want := range map[string]bool{
		"/usr/bin/git": true, "/bin/sh": true, "/usr": true, "/usrlocal/bin/git": false, "/home/u/bin/git": false, "/": false, "/opt/git": false,
	} {
		if got := inSystem(path); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}

// In which modes programs have a root of their own, and in which they run as another user.
func TestRootsAndUsers(t *testing.T) {
	for _, c := range []struct {
		mode           Mode
		roots, chooses bool
	}{
		{Mode{Namespaces: true}, true, true}, {Mode{Namespaces: true, UserNamespace: true}, true, false},
		{Mode{Landlock: 4}, false, false}, {Mode{Namespaces: true, Unconfined: true}, false, false},
	} {
		s := &Sandbox{Mode: c.mode}
		if s.Roots() != c.roots || s.chooses() != c.chooses {
			t.Errorf("%+v: got %v and %v", c.mode, s.Roots(), s.chooses())
		}
	}
}

// Give does nothing where programs run as this process's user.
func TestGiveNobody(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&Sandbox{Mode: Mode{Landlock: 4}}).Give(file); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil || int(st.Uid) != os.Getuid() {
		t.Errorf("it is %d's, %v", st.Uid, err)
	}
}
