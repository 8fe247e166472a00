package clone

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"seatrial.dev/seatrial/internal/hint"
)

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// world is a remote and two clones of it, with one commit.
func world(t *testing.T) (remote string, a, b *Clone) {
	t.Helper()
	dir := t.TempDir()
	remote = filepath.Join(dir, "remote.git")
	git(t, dir, "init", "-q", "--bare", remote)
	var clones []*Clone
	for _, name := range []string{"a", "b"} {
		at := filepath.Join(dir, name)
		git(t, dir, "clone", "-q", remote, at)
		if name == "a" {
			commit(t, at, "one", "1")
			git(t, at, "push", "-q", "origin", "HEAD:main")
		}
		c, err := Open(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		clones = append(clones, c)
	}
	return remote, clones[0], clones[1]
}

func commit(t *testing.T, dir, file, text string) string {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-q", "-m", file)
	return git(t, dir, "rev-parse", "HEAD")
}

func TestBranchesOnlyGoForward(t *testing.T) {
	remote, a, b := world(t)
	two := commit(t, a.Dir, "two", "2")
	if err := a.Push(t.Context(), "origin", two, "main"); err != nil {
		t.Fatal(err)
	}
	base, err := b.Fetch(t.Context(), "origin", "main")
	if err != nil || base != two {
		t.Fatalf("fetched %s, %v", base, err)
	}
	other := commit(t, b.Dir, "other", "3")
	if ok, err := b.Contains(t.Context(), other, two); ok || err != nil {
		t.Errorf("contains %v, %v", ok, err)
	}
	if err := b.Push(t.Context(), "origin", other, "main"); err == nil {
		t.Error("a branch was moved by force")
	}
	if got := git(t, remote, "rev-parse", "main"); got != two {
		t.Errorf("main is %s", got)
	}
	if none, err := b.Fetch(t.Context(), "origin", "nothing"); none != "" || err != nil {
		t.Errorf("got %s, %v", none, err)
	}
	back, err := a.Revert(t.Context(), two, two+"^", "back")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := a.Contains(t.Context(), back, two); !ok || err != nil {
		t.Errorf("a revert rewrites history: %v", err)
	}
	changes, err := a.Changes(t.Context(), two, back)
	if err != nil || len(changes) != 1 || changes[0] != (Change{"D", "two"}) {
		t.Errorf("changes %v, %v", changes, err)
	}
	if subjects, err := a.Between(t.Context(), two, back); err != nil || len(subjects) != 1 || subjects[0].Text != "back" {
		t.Errorf("between %v, %v", subjects, err)
	}
	if dirty, err := a.Dirty(t.Context()); dirty != "" || err != nil {
		t.Errorf("the clone was changed: %q, %v", dirty, err)
	}
}

func TestNotesTravelAndComeTogether(t *testing.T) {
	_, a, b := world(t)
	head := git(t, a.Dir, "rev-parse", "HEAD")
	if n, err := a.Notes(t.Context(), Evidence, head); n != nil || err != nil {
		t.Fatalf("notes %s, %v", n, err)
	}
	if _, err := b.Fetch(t.Context(), "origin", "main"); err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		c    *Clone
		line string
	}{{a, `{"a":1}`}, {b, `{"b":1}`}} {
		for range 2 { // the second time changes nothing
			if err := s.c.AddNotes(t.Context(), Evidence, head, []byte(s.line+"\n")); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.c.PushNotes(t.Context(), "origin", Evidence); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.FetchNotes(t.Context(), "origin", Evidence); err != nil {
		t.Fatal(err)
	}
	got, err := a.Notes(t.Context(), Evidence, head)
	if err != nil || string(bytes.TrimSpace(got)) != "{\"a\":1}\n{\"b\":1}" {
		t.Errorf("notes %q, %v", got, err)
	}
}

func TestFilesAreTheCommits(t *testing.T) {
	_, a, _ := world(t)
	if err := os.Symlink("/etc/passwd", filepath.Join(a.Dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.Dir, ".gitattributes"), []byte("one export-ignore filter=x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	head := commit(t, a.Dir, "empty", "")
	files, err := a.Files(t.Context(), head)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := fs.ReadFile(files, "one"); string(b) != "1" || err != nil {
		t.Errorf("one is %q, %v", b, err)
	}
	if b, err := fs.ReadFile(files, "empty"); string(b) != "" || err != nil {
		t.Errorf("empty is %q, %v", b, err)
	}
	if _, err := fs.Stat(files, "link"); err == nil {
		t.Error("a link was followed")
	}
	if b, err := a.File(t.Context(), head, "one"); string(b) != "1" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	if b, err := a.File(t.Context(), head, "none"); b != nil || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
}

// What is read of a commit is what is sent of it: Git's replacements don't hold.
func TestReplacementsDoNotHold(t *testing.T) {
	_, a, _ := world(t)
	good := git(t, a.Dir, "rev-parse", "HEAD")
	bad := commit(t, a.Dir, "bad", "bad")
	tree := git(t, a.Dir, "rev-parse", bad+"^{tree}")
	git(t, a.Dir, "replace", bad, good)
	if got, err := a.Tree(t.Context(), bad); err != nil || got != tree {
		t.Errorf("the tree of %s is %s, %v", bad, got, err)
	}
}

// A remote is one that the clone is configured with, and an address' password is not quoted.
func TestRemotesAreTheClones(t *testing.T) {
	remote, a, _ := world(t)
	for _, name := range []string{remote, "nothing", "./origin"} {
		if _, err := a.Fetch(t.Context(), name, "main"); err == nil || !strings.Contains(err.Error(), "has no remote") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	git(t, a.Dir, "remote", "add", "web", "http://me:canary@127.0.0.1:1/x.git")
	if _, err := a.Fetch(t.Context(), "web", "main"); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
	asks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", "Basic")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(asks.Close)
	git(t, a.Dir, "remote", "add", "asks", strings.Replace(asks.URL, "://", "://canary@", 1)+"/x.git")
	if _, err := a.Fetch(t.Context(), "asks", "main"); err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(hint.Of(err), TokenEnv) {
		t.Errorf("got %v, %s", err, hint.Of(err))
	}
	git(t, a.Dir, "remote", "set-url", "--push", "web", "http://127.0.0.1:2/x.git")
	if _, err := a.URL(t.Context(), "web"); err == nil || !strings.Contains(err.Error(), "another address") {
		t.Errorf("got %v", err)
	}
}

// No hook of the clone is run, and no secret of this process reaches git.
func TestHooksAndSecrets(t *testing.T) {
	_, a, _ := world(t)
	ran := filepath.Join(t.TempDir(), "ran")
	for _, hook := range []string{"pre-push", "reference-transaction"} {
		if err := os.WriteFile(filepath.Join(a.Dir, ".git", "hooks", hook), []byte("#!/bin/sh\nenv >>"+ran+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	head := git(t, a.Dir, "rev-parse", "HEAD")
	if err := os.Remove(ran); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := a.Push(t.Context(), "origin", head, "next"); err != nil {
		t.Fatal(err)
	}
	if err := a.AddNotes(t.Context(), Evidence, head, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(ran); err == nil {
		t.Errorf("a hook ran: %.100s", b)
	}
	t.Setenv("SOPS_AGE_KEY", "canary")
	t.Setenv("SEATRIAL_SIGNING_KEY", "canary")
	t.Setenv("GIT_DIR", "/nonexistent")
	if got := strings.Join(inherited(), "\n"); strings.Contains(got, "canary") || strings.Contains(got, "GIT_DIR") {
		t.Error("git gets secrets, or another repository")
	}
	if _, err := a.Head(t.Context()); err != nil {
		t.Error(err)
	}
}

// A token goes to the remote's own server, in no argument, and not in the clear.
func TestTokenIsForItsServer(t *testing.T) {
	_, a, _ := world(t)
	a.Token = "canary"
	git(t, a.Dir, "remote", "add", "web", "https://git.example.com/fleet.git")
	env, err := a.credentials(t.Context(), "web")
	if err != nil || !strings.Contains(strings.Join(env, " "), "=http.https://git.example.com/.extraHeader") {
		t.Errorf("got %v, %v", env, err)
	}
	git(t, a.Dir, "remote", "add", "plain", "http://git.example.com/fleet.git")
	if _, err := a.credentials(t.Context(), "plain"); err == nil || !strings.Contains(err.Error(), "could be read by others") {
		t.Errorf("got %v", err)
	}
	if env, err := a.credentials(t.Context(), "origin"); err != nil || strings.Contains(strings.Join(env, " "), "extraHeader") {
		t.Errorf("a path needs no token: %v, %v", env, err)
	}
}

func TestUnfitClonesAreRefused(t *testing.T) {
	remote, a, _ := world(t)
	inner := filepath.Join(a.Dir, "inner")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	commit(t, a.Dir, "two", "2")
	git(t, a.Dir, "push", "-q", "origin", "HEAD:main")
	shallow := filepath.Join(t.TempDir(), "shallow")
	git(t, a.Dir, "clone", "-q", "--depth=1", "file://"+remote, shallow)
	for dir, want := range map[string]string{t.TempDir(): "no clone", inner: "is a folder of the repo", shallow: "shallow"} {
		c, err := Open(t.Context(), dir)
		if err == nil {
			err = c.Whole(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", dir, err, want)
		}
	}
}
