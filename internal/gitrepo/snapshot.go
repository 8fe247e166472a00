// Package gitrepo takes the tree to rehearse out of a folder, without writing
// to it, and serves it over Git's smart HTTP protocol.
package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Branch is the branch that a snapshot is served as.
const Branch = "rehearsal"

// Snapshot is one commit in a bare repository of its own.
type Snapshot struct {
	GitDir string // the bare repository
	Commit string // what Flux will report as the revision
	Tree   string // hash of the commit's tree
	// Origin says where the tree comes from, for a person: a commit, a dirty working tree or a plain folder.
	Origin string
	// Dirty is true if the tree is not that of the folder's own HEAD.
	Dirty bool

	exclude []string
}

// Take makes a snapshot of the folder dir in the new folder gitDir. A Git
// working tree with no changes gives its HEAD commit itself; with changes, or
// without Git, a new commit of what `git add --all` would take. A folder that
// only lies inside some other working tree counts as a plain folder.
//
// exclude are files that are never taken, whatever Git thinks of them: keys.
func Take(ctx context.Context, dir, gitDir string, exclude ...string) (*Snapshot, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("read the repo: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("read the repo: %s is not a folder", dir)
	}
	if _, err := exec.LookPath("git"); err != nil {
		return nil, fmt.Errorf("%w: install git", err)
	}
	s := &Snapshot{GitDir: gitDir, exclude: exclude}
	if err := s.git(ctx, nil, "init", "--quiet", "--bare", "--initial-branch="+Branch, gitDir); err != nil {
		return nil, err
	}
	head, err := headOf(ctx, dir)
	if err != nil {
		return nil, err
	}
	if head == "" {
		return s, s.commitFolder(ctx, dir, "", "folder "+dir)
	}
	status, err := output(ctx, nil, "-C", dir, "status", "--porcelain", "--untracked-files=all")
	if err != nil {
		return nil, err
	}
	if err := s.borrow(ctx, dir); err != nil {
		return nil, err
	}
	if status != "" {
		return s, s.commitFolder(ctx, dir, head, "uncommitted changes on top of "+head[:12])
	}
	if err := s.git(ctx, nil, "update-ref", "refs/heads/"+Branch, head); err != nil {
		return nil, err
	}
	s.Commit = head
	s.Origin = "commit " + head[:12]
	s.Tree, err = output(ctx, s.env(), "rev-parse", head+"^{tree}")
	return s, err
}

// borrow makes the objects of dir's repository readable from the snapshot's
// without copying them; a shallow clone's missing parents stay known as missing.
func (s *Snapshot) borrow(ctx context.Context, dir string) error {
	paths, err := output(ctx, nil, "-C", dir, "rev-parse", "--path-format=absolute", "--git-path", "objects", "--git-path", "shallow")
	if err != nil {
		return err
	}
	objects, shallow, _ := strings.Cut(paths, "\n")
	if err := os.WriteFile(filepath.Join(s.GitDir, "objects", "info", "alternates"), []byte(objects+"\n"), 0o600); err != nil {
		return err
	}
	b, err := os.ReadFile(shallow)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.GitDir, "shallow"), b, 0o600)
}

// headOf returns the HEAD commit if dir is the top of a working tree, or "".
func headOf(ctx context.Context, dir string) (string, error) {
	top, err := output(ctx, nil, "-C", dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return "", nil // no repository at all
	}
	same, err := sameFile(top, dir)
	if err != nil || !same {
		return "", err
	}
	head, err := output(ctx, nil, "-C", dir, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	if err != nil {
		return "", nil // no commit yet
	}
	return head, nil
}

func sameFile(a, b string) (bool, error) {
	x, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	y, err := os.Stat(b)
	if err != nil {
		return false, err
	}
	return os.SameFile(x, y), nil
}

// Ignored lists the files of a folder that its Git repo ignores, with slashes;
// none where there is no repo.
func Ignored(ctx context.Context, dir string) map[string]bool {
	out := map[string]bool{}
	list, err := exec.CommandContext(ctx, "git", "-C", dir, "ls-files", "--others", "--ignored", "--exclude-standard", "-z").Output()
	if err != nil {
		return out
	}
	for _, name := range strings.Split(string(list), "\x00") {
		out[name] = name != ""
	}
	return out
}

// commitFolder commits the folder's files into the bare repository.
func (s *Snapshot) commitFolder(ctx context.Context, dir, parent, origin string) error {
	env := append(s.env(), "GIT_WORK_TREE="+dir, "GIT_INDEX_FILE="+filepath.Join(s.GitDir, "rehearsal-index"))
	args := []string{"add", "--all", "--", "."}
	for _, file := range s.exclude {
		rel, err := filepath.Rel(dir, file)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		if ignored := run(ctx, dir, env, "check-ignore", "--quiet", "--", rel) == nil; ignored {
			continue // git add refuses to be told of what it ignores anyhow
		}
		args = append(args, ":(exclude,literal)"+filepath.ToSlash(rel))
	}
	if err := run(ctx, dir, env, args...); err != nil {
		return fmt.Errorf("take the files of %s: %w", dir, err)
	}
	tree, err := output(ctx, env, "write-tree")
	if err != nil {
		return err
	}
	if tree == emptyTree {
		return fmt.Errorf("%s holds no files that Git would track", dir)
	}
	commit, err := s.commitTree(ctx, env, tree, parent, "rehearsal of "+origin)
	if err != nil {
		return err
	}
	s.Commit, s.Tree, s.Origin, s.Dirty = commit, tree, origin, true
	return s.git(ctx, nil, "update-ref", "refs/heads/"+Branch, commit)
}

// commitTree makes a commit of a tree; parent may be empty.
func (s *Snapshot) commitTree(ctx context.Context, env []string, tree, parent, message string) (string, error) {
	args := []string{"commit-tree", tree, "-m", message}
	if parent != "" {
		args = append(args, "-p", parent)
	}
	return output(ctx, append(env,
		"GIT_AUTHOR_NAME=seatrial", "GIT_AUTHOR_EMAIL=seatrial@localhost",
		"GIT_COMMITTER_NAME=seatrial", "GIT_COMMITTER_EMAIL=seatrial@localhost"), args...)
}

// emptyTree is the hash of a tree without entries.
const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

// Export writes the snapshot's files to the folder to, which must exist.
func (s *Snapshot) Export(ctx context.Context, to string) error {
	env := append(s.env(), "GIT_WORK_TREE="+to, "GIT_INDEX_FILE="+filepath.Join(s.GitDir, "export-index"))
	if err := run(ctx, to, env, "read-tree", s.Commit); err != nil {
		return err
	}
	return run(ctx, to, env, "checkout-index", "--all", "--force")
}

// Replace commits the snapshot again with some files changed, and returns the
// new snapshot; contents are by slash-separated path.
func (s *Snapshot) Replace(ctx context.Context, contents map[string][]byte) (*Snapshot, error) {
	env := append(s.env(), "GIT_INDEX_FILE="+filepath.Join(s.GitDir, "replace-index"))
	if _, err := output(ctx, env, "read-tree", s.Commit); err != nil {
		return nil, err
	}
	for name, content := range contents {
		hash := exec.CommandContext(ctx, "git", "hash-object", "-w", "--stdin")
		hash.Env, hash.Stdin = append(base(), env...), bytes.NewReader(content)
		blob, err := hash.Output()
		if err != nil {
			return nil, gitError([]string{"hash-object"}, err)
		}
		if _, err := output(ctx, env, "update-index", "--cacheinfo", "100644,"+strings.TrimSpace(string(blob))+","+name); err != nil {
			return nil, err
		}
	}
	tree, err := output(ctx, env, "write-tree")
	if err != nil {
		return nil, err
	}
	commit, err := s.commitTree(ctx, env, tree, s.Commit, "re-keyed SOPS files for a rehearsal without their key")
	if err != nil {
		return nil, err
	}
	next := *s
	next.Commit, next.Tree = commit, tree
	return &next, s.git(ctx, nil, "update-ref", "refs/heads/"+Branch, commit)
}

func (s *Snapshot) env() []string { return []string{"GIT_DIR=" + s.GitDir} }

func (s *Snapshot) git(ctx context.Context, env []string, args ...string) error {
	_, err := output(ctx, append(s.env(), env...), args...)
	return err
}

func run(ctx context.Context, dir string, env []string, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Env = dir, append(base(), env...)
	_, err := cmd.Output()
	return gitError(args, err)
}

func output(ctx context.Context, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Env = append(base(), env...)
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), gitError(args, err)
}

func gitError(args []string, err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(exit.Stderr))
	}
	return err
}

// base is the environment of git: no setting, hook or prompt of the caller's
// has a say, and folders of other users may be read.
func base() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0",
		fmt.Sprintf("GIT_CONFIG_COUNT=%d", settings),
		"GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		"GIT_CONFIG_KEY_1=core.hooksPath", "GIT_CONFIG_VALUE_1=/dev/null",
		"GIT_CONFIG_KEY_2=core.fsmonitor", "GIT_CONFIG_VALUE_2=false",
	}
}

// settings counts those of base.
const settings = 3

// setting adds one setting to those of base.
func setting(key, value string) []string {
	return []string{
		fmt.Sprintf("GIT_CONFIG_COUNT=%d", settings+1),
		fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", settings, key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", settings, value),
	}
}
