package gitrepo

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"
)

func TestEntries(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a/b/c.yaml"), "text")
	write(t, filepath.Join(dir, ".hidden"), "")
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	s := take(t, dir)
	got, err := s.Entries(t.Context())
	want := map[string]fs.FileMode{".": fs.ModeDir, "a": fs.ModeDir, "a/b": fs.ModeDir, "a/b/c.yaml": 0, ".hidden": 0, "link": fs.ModeSymlink}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if text, err := s.File(t.Context(), "a/b/c.yaml"); err != nil || string(text) != "text" {
		t.Errorf("got %q, %v", text, err)
	}
	if _, err := s.File(t.Context(), "a/b"); err == nil {
		t.Error("a folder is read")
	}
}
