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
	"slices"
	"strings"
	"time"
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
	// Artifact is the digest of the OCI artifact that the tree is served as; empty if it is not.
	Artifact string
	// Dirty is true if the tree is not that of the folder's own HEAD.
	Dirty bool
	// Run runs a prepared git command; nil runs it as it is.
	Run Runner
}

// Runner runs a prepared command, confined to what the caller allows it.
type Runner func(*exec.Cmd) error

// Options are how a folder is taken.
type Options struct {
	// Exclude are absolute paths of files that are never taken, even if Git tracks them: key files.
	Exclude []string
	// Confine returns a runner for git commands that can read only these folders; nil
	// runs git unconfined.
	Confine func(read ...string) Runner
}

// patience is how long Take may take.
const patience = 2 * time.Minute

// Take makes a snapshot of the folder dir in the new folder gitDir. A Git working tree
// without changes gives its HEAD commit itself. With changes, or without Git, Take
// makes a new commit of what `git add --all` would add. A folder that only lies inside
// another working tree counts as a plain folder. Take gives up after two minutes.
//
// Nothing that the repository configures is run or obeyed: see source. Files are taken
// byte for byte, except for the conversion of line ends that .gitattributes asks for;
// filters are not run.
func Take(ctx context.Context, dir, gitDir string, o Options) (*Snapshot, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("read the repo: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("read the repo: %s is not a folder", dir)
	}
	if _, err := Git.Find(); err != nil {
		return nil, err
	}
	s := &Snapshot{GitDir: gitDir}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s can't be taken within %s: a pipe may stand in a file's place", dir, patience))
	defer cancel()
	if o.Confine != nil {
		s.Run = o.Confine()
	}
	from, err := openSource(ctx, dir, s.run)
	if err != nil {
		return nil, err
	}
	if o.Confine != nil {
		s.Run = o.Confine(from.folders(dir)...)
	}
	if err := s.init(ctx, from); err != nil {
		return nil, err
	}
	head := ""
	if from != nil && from.head != "" {
		if head, err = s.output(ctx, nil, "rev-parse", "--verify", "--quiet", from.head+"^{tree}"); err != nil {
			return nil, fmt.Errorf("read the repo: its HEAD commit %.12s is not there: in a clone that borrows from another folder (--shared, --reference) run git repack -a -d, else fetch it (%w)", from.head, err)
		}
		if err := s.bounded(ctx, head); err != nil {
			return nil, err
		}
	}
	tree, err := s.writeTree(ctx, dir, from, o.Exclude)
	if err != nil {
		return nil, err
	}
	if tree == emptyTree || tree == emptyTree256 {
		return nil, fmt.Errorf("%s holds no files that Git would track", dir)
	}
	if tree != head {
		if err := s.bounded(ctx, tree); err != nil {
			return nil, err
		}
	}
	if head != "" {
		if head == tree {
			s.Commit, s.Tree, s.Origin = from.head, tree, "commit "+from.head[:12]
			return s, s.git(ctx, nil, "update-ref", "refs/heads/"+Branch, from.head)
		}
		return s, s.commit(ctx, tree, from.head, "uncommitted changes on top of "+from.head[:12])
	}
	return s, s.commit(ctx, tree, "", "folder "+dir)
}

// init makes the bare repository, and lets it use the objects of the source.
func (s *Snapshot) init(ctx context.Context, from *source) error {
	args := []string{"init", "--quiet", "--bare", "--template=", "--initial-branch=" + Branch}
	if from != nil {
		args = append(args, "--object-format="+from.format)
	}
	if err := s.git(ctx, nil, append(args, s.GitDir)...); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(s.GitDir, "objects", "info"), 0o700); err != nil {
		return err
	}
	if from == nil {
		return nil
	}
	return from.lend(s.GitDir, s.index())
}

// index is the Git index of the taken folder's files.
func (s *Snapshot) index() string { return filepath.Join(s.GitDir, "rehearsal-index") }

// writeTree makes a tree object of what `git add --all` would add in a folder. Its
// commands use nothing but the files and an index of our own.
func (s *Snapshot) writeTree(ctx context.Context, dir string, from *source, exclude []string) (string, error) {
	env := []string{"GIT_WORK_TREE=" + dir, "GIT_INDEX_FILE=" + s.index()}
	if from != nil {
		env = append(env, settings(from.settings...)...)
		if _, err := os.Stat(s.index()); errors.Is(err, fs.ErrNotExist) && from.head != "" {
			if err := s.git(ctx, env, "read-tree", from.head); err != nil {
				return "", fmt.Errorf("read the repo: %w", err)
			}
		}
	}
	changed, err := s.outputIn(ctx, dir, env, nil, "ls-files", "-z", "--others", "--modified", "--deleted", "--exclude-standard")
	if err != nil {
		return "", fmt.Errorf("look for changes in %s: %w", dir, err)
	}
	excluded := map[string]bool{}
	var keys []string
	for _, file := range exclude {
		if rel, err := filepath.Rel(dir, file); err == nil && filepath.IsLocal(rel) {
			excluded[filepath.ToSlash(rel)] = true
			keys = append(keys, filepath.ToSlash(rel))
		}
	}
	var paths []string
	for _, name := range strings.Split(strings.TrimSuffix(changed, "\x00"), "\x00") {
		// A slash at the end means a repository within the folder: Flux does not see it either.
		if name != "" && !strings.HasSuffix(name, "/") && !excluded[name] {
			paths = append(paths, name)
		}
	}
	slices.Sort(paths)
	if err := withinLimits(dir, paths); err != nil {
		return "", err
	}
	for _, update := range []struct {
		flags []string
		paths []string
	}{{[]string{"--force-remove"}, keys}, {[]string{"--add", "--remove"}, slices.Compact(paths)}} {
		if len(update.paths) == 0 {
			continue
		}
		args := append(append([]string{"update-index", "-z"}, update.flags...), "--stdin")
		if _, err := s.outputIn(ctx, dir, env, strings.NewReader(strings.Join(update.paths, "\x00")+"\x00"), args...); err != nil {
			return "", fmt.Errorf("take the files of %s: %w", dir, err)
		}
	}
	tree, err := s.output(ctx, env, "write-tree")
	if err != nil {
		return "", fmt.Errorf("take the files of %s: %w", dir, err)
	}
	return tree, nil
}

// commit makes the snapshot's commit of a tree, and points the snapshot's branch at it.
func (s *Snapshot) commit(ctx context.Context, tree, parent, origin string) error {
	commit, err := s.commitTree(ctx, tree, parent, "rehearsal of "+origin)
	if err != nil {
		return err
	}
	s.Commit, s.Tree, s.Origin, s.Dirty = commit, tree, origin, true
	return s.git(ctx, nil, "update-ref", "refs/heads/"+Branch, commit)
}

// commitTree makes a commit of a tree; parent may be empty.
func (s *Snapshot) commitTree(ctx context.Context, tree, parent, message string) (string, error) {
	args := []string{"commit-tree", tree, "-m", message}
	if parent != "" {
		args = append(args, "-p", parent)
	}
	return s.output(ctx, []string{
		"GIT_AUTHOR_NAME=seatrial", "GIT_AUTHOR_EMAIL=seatrial@localhost",
		"GIT_COMMITTER_NAME=seatrial", "GIT_COMMITTER_EMAIL=seatrial@localhost",
	}, args...)
}

// Detach copies the objects of the commit's tree, without its history, so that the
// folder that the snapshot was taken from is no longer needed.
func (s *Snapshot) Detach(ctx context.Context) error {
	if err := os.WriteFile(filepath.Join(s.GitDir, "shallow"), []byte(s.Commit+"\n"), 0o600); err != nil {
		return err
	}
	pack := filepath.Join(s.GitDir, "objects", "pack", "pack")
	if err := os.MkdirAll(filepath.Dir(pack), 0o700); err != nil {
		return err
	}
	if _, err := s.outputIn(ctx, "", nil, strings.NewReader(s.Commit+"\n"), "pack-objects", "--quiet", "--revs", "--window=0", pack); err != nil {
		return fmt.Errorf("take the tree: %w", err)
	}
	err := os.Remove(filepath.Join(s.GitDir, "objects", "info", "alternates"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Moved is the same snapshot, where its bare repository is found at another path.
func (s *Snapshot) Moved(gitDir string) *Snapshot {
	moved := *s
	moved.GitDir = gitDir
	return &moved
}

// Ignored lists the files of a folder that its Git repo ignores, with slashes;
// none where there is no repo.
func Ignored(ctx context.Context, dir string) (map[string]bool, error) {
	out := map[string]bool{}
	dir, err := filepath.Abs(dir) // git runs in it, and is told of it
	if err != nil {
		return nil, err
	}
	from, err := openSource(ctx, dir, (&Snapshot{}).run)
	if err != nil || from == nil {
		return out, err
	}
	tmp, err := os.MkdirTemp("", "seatrial-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	s := &Snapshot{GitDir: filepath.Join(tmp, "repo.git")}
	if err := s.init(ctx, from); err != nil {
		return nil, err
	}
	env := append(settings(from.settings...), "GIT_WORK_TREE="+dir, "GIT_INDEX_FILE="+s.index())
	list, err := s.outputIn(ctx, dir, env, nil, "ls-files", "--others", "--ignored", "--exclude-standard", "-z")
	if err != nil {
		return nil, err
	}
	for _, name := range strings.Split(list, "\x00") {
		out[name] = name != ""
	}
	return out, nil
}

// The hashes of the empty tree, by SHA-1 and SHA-256.
const (
	emptyTree    = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
	emptyTree256 = "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
)

// Export writes the snapshot's files to the folder to, which must exist.
func (s *Snapshot) Export(ctx context.Context, to string) error {
	// Line ends are not converted: files are exported as they are in Git, as source-controller packs them.
	attributes := filepath.Join(s.GitDir, "info", "attributes")
	if err := os.MkdirAll(filepath.Dir(attributes), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(attributes, []byte("* -text -ident -filter -working-tree-encoding\n"), 0o644); err != nil {
		return err
	}
	env := []string{"GIT_WORK_TREE=" + to, "GIT_INDEX_FILE=" + filepath.Join(s.GitDir, "export-index")}
	if _, err := s.outputIn(ctx, to, env, nil, "read-tree", s.Commit); err != nil {
		return err
	}
	if _, err := s.outputIn(ctx, to, env, nil, "checkout-index", "--all", "--force"); err != nil {
		return err
	}
	// Git has written a symbolic link as a file with what it leads to. source-controller leaves links out.
	links, err := s.Links(ctx)
	if err != nil {
		return err
	}
	for name := range links {
		if err := os.Remove(filepath.Join(to, filepath.FromSlash(name))); err != nil {
			return err
		}
	}
	return nil
}

// Links are the symbolic links of the tree, and what each leads to.
func (s *Snapshot) Links(ctx context.Context) (map[string]string, error) {
	list, err := s.output(ctx, nil, "ls-tree", "-r", "-z", "--full-tree", s.Commit)
	if err != nil {
		return nil, err
	}
	names, hashes := map[string][]string{}, []string{}
	for _, entry := range strings.Split(list, "\x00") {
		meta, name, _ := strings.Cut(entry, "\t")
		if fields := strings.Fields(meta); len(fields) == 3 && fields[0] == "120000" {
			names[fields[2]] = append(names[fields[2]], name)
			hashes = append(hashes, fields[2])
		}
	}
	out := map[string]string{}
	if len(hashes) == 0 {
		return out, nil
	}
	return out, s.objects(ctx, "--batch", hashes, func(hash string, _ int64, content []byte) error {
		for _, name := range names[hash] {
			out[name] = string(content)
		}
		return nil
	})
}

// maxNamed is how many files Files returns at most.
const maxNamed = 20

// Files returns the contents of the tree's files whose slash-separated paths end in suffix, by
// path; none if there are more than twenty.
func (s *Snapshot) Files(ctx context.Context, suffix string) (map[string][]byte, error) {
	list, err := s.output(ctx, nil, "ls-tree", "-r", "-z", "--full-tree", s.Commit)
	if err != nil {
		return nil, err
	}
	hashes := map[string]string{}
	for _, entry := range strings.Split(list, "\x00") {
		about, name, _ := strings.Cut(entry, "\t")
		fields := strings.Fields(about) // mode, type and hash
		if len(fields) == 3 && strings.HasPrefix(fields[0], "100") && strings.HasSuffix("/"+name, "/"+suffix) {
			hashes[name] = fields[2]
		}
	}
	out := map[string][]byte{}
	if len(hashes) > maxNamed {
		return out, nil
	}
	for name, hash := range hashes {
		text, err := s.output(ctx, nil, "cat-file", "blob", hash)
		if err != nil {
			return nil, err
		}
		out[name] = []byte(text)
	}
	return out, nil
}

// Replace commits the snapshot again with some files changed, and returns the
// new snapshot; contents are by slash-separated path.
func (s *Snapshot) Replace(ctx context.Context, contents map[string][]byte) (*Snapshot, error) {
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(s.GitDir, "replace-index")}
	if _, err := s.output(ctx, env, "read-tree", s.Commit); err != nil {
		return nil, err
	}
	for name, content := range contents {
		blob, err := s.outputIn(ctx, "", env, bytes.NewReader(content), "hash-object", "-w", "--stdin")
		if err != nil {
			return nil, err
		}
		if _, err := s.output(ctx, env, "update-index", "--cacheinfo", "100644,"+strings.TrimSpace(blob)+","+name); err != nil {
			return nil, err
		}
	}
	tree, err := s.output(ctx, env, "write-tree")
	if err != nil {
		return nil, err
	}
	commit, err := s.commitTree(ctx, tree, s.Commit, "re-keyed SOPS files for a rehearsal without their key")
	if err != nil {
		return nil, err
	}
	next := *s
	next.Commit, next.Tree = commit, tree
	return &next, s.git(ctx, nil, "update-ref", "refs/heads/"+Branch, commit)
}
