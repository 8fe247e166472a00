package gitrepo

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(base(), "GIT_ALLOW_PROTOCOL=file:http", "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@t", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@t")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func committed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main", ".")
	write(t, filepath.Join(dir, "clusters/a/x.yaml"), "a: 1\n")
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-qm", "one")
	return dir
}

func take(t *testing.T, dir string) *Snapshot {
	t.Helper()
	s, err := Take(context.Background(), dir, filepath.Join(t.TempDir(), "repo.git"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// clone clones the snapshot over HTTP, as source-controller does.
func clone(t *testing.T, s *Snapshot) string {
	t.Helper()
	srv := httptest.NewServer(s.Handler())
	defer srv.Close()
	to := filepath.Join(t.TempDir(), "clone")
	git(t, t.TempDir(), "clone", "-q", "--depth=1", "--branch="+Branch, srv.URL+"/repo.git", to)
	return to
}

func TestCleanWorkingTreeKeepsItsCommit(t *testing.T) {
	dir := committed(t)
	s := take(t, dir)
	head := git(t, dir, "rev-parse", "HEAD")
	if s.Commit != head || s.Dirty {
		t.Fatalf("commit %s dirty %v, want %s", s.Commit, s.Dirty, head)
	}
	if got := git(t, clone(t, s), "rev-parse", "HEAD"); got != head {
		t.Fatalf("cloned %s, want %s", got, head)
	}
}

func TestDirtyWorkingTreeIsTakenAndUntouched(t *testing.T) {
	dir := committed(t)
	write(t, filepath.Join(dir, "clusters/a/x.yaml"), "a: 2\n")
	write(t, filepath.Join(dir, "new.yaml"), "b: 1\n")
	write(t, filepath.Join(dir, ".gitignore"), "ignored\n")
	write(t, filepath.Join(dir, "ignored"), "secret")
	before := git(t, dir, "status", "--porcelain")
	s := take(t, dir)
	if !s.Dirty || s.Commit == git(t, dir, "rev-parse", "HEAD") {
		t.Fatal("changes were not taken")
	}
	got := clone(t, s)
	if b, _ := os.ReadFile(filepath.Join(got, "clusters/a/x.yaml")); string(b) != "a: 2\n" {
		t.Fatalf("got %q", b)
	}
	if _, err := os.Stat(filepath.Join(got, "new.yaml")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(got, "ignored")); err == nil {
		t.Fatal("an ignored file was served")
	}
	if after := git(t, dir, "status", "--porcelain"); after != before {
		t.Fatalf("the working tree changed: %q, was %q", after, before)
	}
}

func TestFolderInsideAnotherWorkingTreeIsPlain(t *testing.T) {
	dir := committed(t)
	s := take(t, filepath.Join(dir, "clusters"))
	if got := git(t, clone(t, s), "ls-files"); got != "a/x.yaml" {
		t.Fatalf("got files %q", got)
	}
}

func TestKeysAreNeverTaken(t *testing.T) {
	dir := committed(t)
	key := filepath.Join(dir, "age.agekey")
	write(t, key, "secret")
	write(t, filepath.Join(dir, "new.yaml"), "b: 1\n")
	s, err := Take(context.Background(), dir, filepath.Join(t.TempDir(), "repo.git"), Options{Exclude: []string{key, "/elsewhere/key"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := git(t, clone(t, s), "ls-files"); got != "clusters/a/x.yaml\nnew.yaml" {
		t.Fatalf("got %q", got)
	}
}

func TestEmptyFolderIsRefused(t *testing.T) {
	_, err := Take(context.Background(), t.TempDir(), filepath.Join(t.TempDir(), "repo.git"), Options{})
	if err == nil || !strings.Contains(err.Error(), "holds no files") {
		t.Fatalf("got %v", err)
	}
}

func TestReplaceChangesOnlyTheNamedFile(t *testing.T) {
	s := take(t, committed(t))
	next, err := s.Replace(context.Background(), map[string][]byte{"clusters/a/x.yaml": []byte("a: 3\n")})
	if err != nil {
		t.Fatal(err)
	}
	if next.Tree == s.Tree {
		t.Fatal("the tree did not change")
	}
	dir := t.TempDir()
	if err := next.Export(context.Background(), dir); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "clusters/a/x.yaml")); string(b) != "a: 3\n" {
		t.Fatalf("got %q", b)
	}
}

func TestFilesAreFoundByTheEndOfTheirPath(t *testing.T) {
	dir := committed(t)
	write(t, filepath.Join(dir, "a", "end", "file.yaml"), "one\n")
	write(t, filepath.Join(dir, "a", "rend", "file.yaml"), "other\n")
	write(t, filepath.Join(dir, "end", "file.yaml"), "two\n")
	if err := os.Symlink("file.yaml", filepath.Join(dir, "a", "end", "link")); err != nil {
		t.Fatal(err)
	}
	s := take(t, dir)
	got, err := s.Files(t.Context(), "end/file.yaml")
	if err != nil || len(got) != 2 || strings.TrimSpace(string(got["a/end/file.yaml"])) != "one" || strings.TrimSpace(string(got["end/file.yaml"])) != "two" {
		t.Errorf("%v %q", err, got)
	}
	for i := range maxNamed {
		write(t, filepath.Join(dir, strings.Repeat("d/", i+1), "end", "file.yaml"), "more\n")
	}
	if got, err := take(t, dir).Files(t.Context(), "end/file.yaml"); err != nil || len(got) > 0 {
		t.Errorf("%v, %d files", err, len(got))
	}
	if got, err := s.Files(t.Context(), "end/link"); err != nil || len(got) > 0 {
		t.Errorf("a link was followed: %v %q", err, got)
	}
}

func TestShallowCloneIsServed(t *testing.T) {
	dir := committed(t)
	write(t, filepath.Join(dir, "y.yaml"), "y: 1\n")
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-qm", "two")
	shallow := filepath.Join(t.TempDir(), "shallow")
	git(t, t.TempDir(), "clone", "-q", "--depth=1", "file://"+dir, shallow)
	clone(t, take(t, shallow))
}

// A key that Git ignores anyhow, beside changes that are not committed: the
// usual state of a folder.
func TestIgnoredKeyBesideUncommittedFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{".gitignore": "*.agekey\n", "age.agekey": "AGE-SECRET-KEY-CANARY\n", "a.yaml": "a: b\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("git", "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if ignored, err := Ignored(t.Context(), dir); err != nil || !ignored["age.agekey"] || ignored["a.yaml"] {
		t.Error("what Git ignores is not known")
	}
	s, err := Take(t.Context(), dir, filepath.Join(t.TempDir(), "repo.git"), Options{Exclude: []string{filepath.Join(dir, "age.agekey")}})
	if err != nil {
		t.Fatal(err)
	}
	files := t.TempDir()
	if err := s.Export(t.Context(), files); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(files, "a.yaml")); err != nil {
		t.Error("the file was not taken")
	}
	if _, err := os.Stat(filepath.Join(files, "age.agekey")); err == nil {
		t.Error("the key was taken")
	}
}
