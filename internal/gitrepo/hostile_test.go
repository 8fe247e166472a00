package gitrepo

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// poisoned is a Git configuration with every setting that can run a program: the first
// argument is the command, the others are folders and files of the repository.
const poisoned = `
[core]
	fsmonitor = %[1]q
	hooksPath = %[2]q
	sshCommand = %[1]q
	pager = %[1]q
	editor = %[1]q
	attributesFile = %[3]q
	excludesFile = %[4]q
	worktree = /
	alternateRefsCommand = %[1]q
	gitProxy = %[1]q
	untrackedCache = true
[filter "f"]
	clean = %[1]q
	smudge = %[1]q
	process = %[1]q
	required = true
[diff "f"]
	textconv = %[1]q
	command = %[1]q
[merge "f"]
	driver = %[1]q
[diff]
	external = %[1]q
[credential]
	helper = "!%[5]s"
[gpg]
	program = %[1]q
[alias]
	status = "!%[5]s"
	add = "!%[5]s"
	write-tree = "!%[5]s"
[include]
	path = %[3]q
[uploadpack]
	packObjectsHook = %[1]q
[submodule]
	recurse = true
[submodule "s"]
	update = "!%[5]s"
	url = "ext::sh -c %[5]s"
[remote "origin"]
	url = "ext::sh -c '%[5]s'"
	promisor = true
	partialclonefilter = blob:none
	uploadpack = %[1]q
[extensions]
	partialClone = origin
`

// poison gives a repository every setting that can run a program or change which files
// are taken. Such a program would create the file canary.
func poison(t *testing.T, dir, canary string) {
	t.Helper()
	run := "touch " + canary + "; cat"
	config := fmt.Sprintf(poisoned, run, filepath.Join(dir, ".git", "evil"), filepath.Join(dir, ".git", "attributes"), filepath.Join(dir, ".git", "excludes"), run)
	f, err := os.OpenFile(filepath.Join(dir, ".git", "config"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(config); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, ".git", "attributes"), "* filter=f diff=f merge=f\n")
	write(t, filepath.Join(dir, ".git", "excludes"), "*\n")
	write(t, filepath.Join(dir, ".git", "info", "attributes"), "* filter=f\n")
	for _, hook := range []string{"post-index-change", "pre-commit", "reference-transaction", "fsmonitor-watchman", "post-checkout"} {
		for _, folder := range []string{"evil", "hooks"} {
			write(t, filepath.Join(dir, ".git", folder, hook), "#!/bin/sh\ntouch "+canary+"\n")
			if err := os.Chmod(filepath.Join(dir, ".git", folder, hook), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A repository's own configuration runs nothing and changes nothing, with and
// without uncommitted changes.
func TestHostileConfigurationGivesTheSameTree(t *testing.T) {
	for _, dirty := range []bool{false, true} {
		dir := committed(t)
		write(t, filepath.Join(dir, ".gitattributes"), "*.yaml filter=f diff=f\n")
		git(t, dir, "add", "-A")
		git(t, dir, "commit", "-qm", "attributes")
		if dirty {
			write(t, filepath.Join(dir, "clusters/a/x.yaml"), "a: 2\n")
			write(t, filepath.Join(dir, "new.yaml"), "b: 1\n")
		}
		clean := take(t, dir)
		canary := filepath.Join(t.TempDir(), "ran")
		poison(t, dir, canary)
		// The new times make git read each file, as its index is out of date.
		if err := os.Chtimes(filepath.Join(dir, "clusters/a/x.yaml"), time.Now(), time.Now()); err != nil {
			t.Fatal(err)
		}
		s := take(t, dir)
		if s.Tree != clean.Tree || s.Dirty != dirty {
			t.Errorf("dirty %v: tree %s, want %s", dirty, s.Tree, clean.Tree)
		}
		if err := s.Export(t.Context(), t.TempDir()); err != nil {
			t.Error(err)
		}
		if err := s.Detach(t.Context()); err != nil {
			t.Error(err)
		}
		if dirty {
			clone(t, s)
		} else if got := git(t, clone(t, s), "rev-parse", "HEAD^{tree}"); got != clean.Tree {
			t.Errorf("cloned %s", got)
		}
		if _, err := Ignored(t.Context(), dir); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(canary); err == nil {
			t.Errorf("dirty %v: the repository's configuration ran a program", dirty)
		}
	}
}

// A submodule's own configuration is not read either.
func TestSubmodulesRunNothing(t *testing.T) {
	dir, sub := committed(t), committed(t)
	git(t, dir, "clone", "-q", "file://"+sub, filepath.Join(dir, "sub"))
	write(t, filepath.Join(dir, ".gitmodules"), "[submodule \"sub\"]\n\tpath = sub\n\turl = ext::sh -c touch\n")
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-qm", "submodule")
	canary := filepath.Join(t.TempDir(), "ran")
	poison(t, filepath.Join(dir, "sub"), canary)
	write(t, filepath.Join(dir, "sub", ".gitattributes"), "* filter=f\n")
	write(t, filepath.Join(dir, "sub", "clusters/a/x.yaml"), "changed: true\n")
	s := take(t, dir)
	if s.Dirty {
		t.Error("a change within a submodule is none of the repo's")
	}
	if _, err := os.Stat(canary); err == nil {
		t.Error("the submodule's configuration ran a program")
	}
}

// A detached snapshot is complete without the folder that it was taken from, and has no history.
func TestDetachedSnapshotNeedsNoSource(t *testing.T) {
	dir := committed(t)
	write(t, filepath.Join(dir, "y.yaml"), "y: 1\n")
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-qm", "two")
	s := take(t, dir)
	if err := s.Detach(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+"-gone"); err != nil {
		t.Fatal(err)
	}
	got := clone(t, s)
	if head := git(t, got, "rev-parse", "HEAD"); head != s.Commit {
		t.Errorf("cloned %s, want %s", head, s.Commit)
	}
	if n := git(t, got, "rev-list", "--count", "HEAD"); n != "1" {
		t.Errorf("%s commits are served", n)
	}
}

// A pipe or link in the place of one of Git's own files can neither block a run nor lead elsewhere.
func TestPipesInPlaceOfGitsFilesAreRefused(t *testing.T) {
	for _, name := range []string{"HEAD", "config", "index"} {
		dir := committed(t)
		file := filepath.Join(dir, ".git", name)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(file, 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := Take(ctx, dir, filepath.Join(t.TempDir(), "repo.git"), Options{})
		if err == nil || ctx.Err() != nil {
			t.Errorf("%s: got %v, %v", name, err, ctx.Err())
		}
	}
}

func TestLinkedWorktreesPackedAndSymbolicRefs(t *testing.T) {
	dir := committed(t)
	git(t, dir, "pack-refs", "--all")
	linked := filepath.Join(t.TempDir(), "linked")
	git(t, dir, "worktree", "add", "-q", "-b", "other", linked)
	git(t, dir, "symbolic-ref", "refs/heads/alias", "refs/heads/main")
	git(t, dir, "symbolic-ref", "HEAD", "refs/heads/alias")
	head := git(t, dir, "rev-parse", "HEAD")
	for _, d := range []string{dir, linked} {
		if s := take(t, d); s.Commit != head || s.Dirty {
			t.Errorf("%s: commit %s dirty %v, want %s", d, s.Commit, s.Dirty, head)
		}
	}
}

func TestSHA256Repository(t *testing.T) {
	dir := t.TempDir()
	git(t, dir, "init", "-q", "--object-format=sha256", "-b", "main", ".")
	write(t, filepath.Join(dir, "x.yaml"), "a: 1\n")
	git(t, dir, "add", "-A")
	git(t, dir, "commit", "-qm", "one")
	if s := take(t, dir); len(s.Commit) != 64 || s.Dirty {
		t.Errorf("got %+v", s)
	}
}

func TestTooLargeIsRefused(t *testing.T) {
	dir := committed(t)
	f, err := os.Create(filepath.Join(dir, "big.bin"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(maxBytes + 1); err != nil { // a sparse file
		t.Fatal(err)
	}
	f.Close()
	start := time.Now()
	_, err = Take(t.Context(), dir, filepath.Join(t.TempDir(), "repo.git"), Options{})
	if err == nil || !strings.Contains(err.Error(), "big.bin") || time.Since(start) > 2*time.Second {
		t.Errorf("got %v after %s", err, time.Since(start))
	}
}

// Odd file names (line breaks, quotes, bytes that are not UTF-8) stay as they are.
func TestNamesThatAreNotText(t *testing.T) {
	dir := committed(t)
	for _, name := range []string{"new\nline.yaml", "\xff\xfe.yaml", "-rf.yaml", `quote".yaml`} {
		write(t, filepath.Join(dir, name), "a: 1\n")
	}
	s := take(t, dir)
	out := t.TempDir()
	if err := s.Export(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(out)
	if err != nil || len(entries) != 5 {
		t.Errorf("got %d entries, %v", len(entries), err)
	}
	b, _ := os.ReadFile(filepath.Join(out, "\xff\xfe.yaml"))
	if !bytes.Equal(b, []byte("a: 1\n")) {
		t.Errorf("got %q", b)
	}
}

// A few objects can stand for billions of files.
func TestExponentialTreeIsRefused(t *testing.T) {
	dir := committed(t)
	hash := git(t, dir, "hash-object", "-w", "clusters/a/x.yaml")
	entry := "100644 blob " + hash
	for range 12 {
		var list strings.Builder
		for i := range 10 {
			fmt.Fprintf(&list, "%s\tf%d\n", entry, i)
		}
		cmd := command(t.Context(), nil, "mktree")
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(list.String())
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		entry = "040000 tree " + strings.TrimSpace(string(out))
	}
	commit := git(t, dir, "commit-tree", "-m", "bomb", strings.TrimPrefix(entry, "040000 tree "))
	git(t, dir, "update-ref", "HEAD", commit)
	for _, index := range []bool{true, false} {
		if !index {
			if err := os.Remove(filepath.Join(dir, ".git/index")); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		_, err := Take(t.Context(), dir, filepath.Join(t.TempDir(), "repo.git"), Options{})
		if err == nil || !strings.Contains(err.Error(), "more than 50000 files") || time.Since(start) > 2*time.Second {
			t.Errorf("index %v: got %v after %s", index, err, time.Since(start))
		}
	}
}
