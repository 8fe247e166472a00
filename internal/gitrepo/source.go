package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"
)

// source says where the Git data of a working tree are. They are read as data: no git
// command ever runs with the repository's own configuration, as that may name programs
// (filters, hooks, fsmonitor, textconv, ssh commands) which git starts.
type source struct {
	dir    string // top of the working tree
	gitDir string // .git, or the folder that the file .git names in a linked working tree or submodule
	common string // folder of objects and branches; differs from gitDir in a linked working tree
	head   string // hash of the HEAD commit; empty if there is none yet
	format string // sha1 or sha256
	// settings are the repository's settings that change how bytes and modes are read,
	// but that run nothing.
	settings []string
}

// The largest sizes, in bytes, of Git's own files that are read.
const (
	maxPointer = 64 << 10  // HEAD, a branch, .git of a linked working tree
	maxConfig  = 1 << 20   // config, info/exclude
	maxIndex   = 256 << 20 // index, packed-refs
)

// openSource looks for Git data at the top of dir; nil means that there are none.
func openSource(ctx context.Context, dir string, run Runner) (*source, error) {
	dot := filepath.Join(dir, ".git")
	info, err := os.Stat(dot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the repo: %w", err)
	}
	s := &source{dir: dir, gitDir: dot}
	if s.gitDir, err = filepath.EvalSymlinks(dot); err != nil { // the real path: git runs in a cell where links may lead nowhere
		return nil, fmt.Errorf("read the repo: %w", err)
	}
	if !info.IsDir() {
		b, err := readRegular(s.gitDir, maxPointer)
		if err != nil {
			return nil, fmt.Errorf("read the repo: %w", err)
		}
		to, ok := strings.CutPrefix(strings.TrimSpace(string(b)), "gitdir: ")
		if !ok {
			return nil, fmt.Errorf("read the repo: %s names no Git folder: clone it again", dot)
		}
		s.gitDir = absolute(dir, to)
	}
	s.common = s.gitDir
	if b, err := readRegular(filepath.Join(s.gitDir, "commondir"), maxPointer); err == nil {
		s.common = absolute(s.gitDir, strings.TrimSpace(string(b)))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the repo: %w", err)
	}
	if _, err := os.Stat(filepath.Join(s.common, "objects")); errors.Is(err, fs.ErrNotExist) {
		return nil, nil // not a repository: git would not take it for one either
	} else if err != nil {
		return nil, fmt.Errorf("read the repo: %w", err)
	}
	if err := s.configure(ctx, run); err != nil {
		return nil, err
	}
	s.head, err = s.resolve("HEAD", 0)
	return s, err
}

// folders returns the folders that git must be able to read to take dir; s may be nil.
func (s *source) folders(dir string) []string {
	if s == nil {
		return []string{dir}
	}
	return []string{dir, s.gitDir, s.common}
}

func absolute(dir, p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(dir, p)
}

// harmless are settings that only say how bytes, names and modes are read.
var harmless = map[string]bool{
	"core.autocrlf": true, "core.eol": true, "core.filemode": true, "core.symlinks": true,
	"core.ignorecase": true, "core.precomposeunicode": true, "core.quotepath": true, "core.trustctime": true, "core.checkstat": true,
}

// configure reads the repository's configuration as a list of names and values, without
// the files that it includes, and keeps the harmless ones.
func (s *source) configure(ctx context.Context, run Runner) error {
	b, err := readRegular(filepath.Join(s.common, "config"), maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		b, err = nil, nil
	}
	if err != nil {
		return fmt.Errorf("read the repo's configuration: %w", err)
	}
	cmd := command(ctx, nil, "config", "--file", "-", "--no-includes", "--null", "--list")
	var out, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(b), &out, &stderr
	if err := run(cmd); err != nil {
		return fmt.Errorf("read the repo's configuration: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	s.format = "sha1"
	for _, entry := range strings.Split(out.String(), "\x00") {
		name, value, _ := strings.Cut(entry, "\n")
		name = strings.ToLower(name)
		switch {
		case name == "extensions.objectformat":
			if s.format = strings.ToLower(value); s.format != "sha1" && s.format != "sha256" {
				return fmt.Errorf("read the repo: object format %q is unknown", value)
			}
		case name == "extensions.refstorage" && !strings.EqualFold(value, "files"):
			return fmt.Errorf("read the repo: its branches are stored as %q, which is not read yet: run git refs migrate --ref-format=files", value)
		case harmless[name] && !strings.ContainsAny(value, "\x00\n"):
			s.settings = append(s.settings, name+"="+value)
		}
	}
	return nil
}

var (
	hashPattern = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	refPattern  = regexp.MustCompile(`^refs/[^\x00-\x20\x7f~^:?*\[\\]+$`)
)

// resolve returns the hash that a reference leads to, or "" if it does not exist.
func (s *source) resolve(ref string, depth int) (string, error) {
	if depth > 5 {
		return "", fmt.Errorf("read the repo: reference %s leads in a circle", ref)
	}
	if ref != "HEAD" && (!refPattern.MatchString(ref) || !filepath.IsLocal(ref)) {
		return "", fmt.Errorf("read the repo: %q is no reference", ref)
	}
	dir := s.common
	if ref == "HEAD" {
		dir = s.gitDir
	}
	b, err := readRegular(filepath.Join(dir, filepath.FromSlash(ref)), maxPointer)
	if err == nil {
		text := strings.TrimSpace(string(b))
		if to, ok := strings.CutPrefix(text, "ref:"); ok {
			return s.resolve(strings.TrimSpace(to), depth+1)
		}
		if !hashPattern.MatchString(text) {
			return "", fmt.Errorf("read the repo: reference %s holds no hash", ref)
		}
		return text, nil
	}
	// There is no such file, or a folder of that name: the reference may be packed.
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.ENOTDIR) {
		return "", fmt.Errorf("read the repo: %w", err)
	}
	packed, err := readRegular(filepath.Join(s.common, "packed-refs"), maxIndex)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the repo: %w", err)
	}
	for _, line := range strings.Split(string(packed), "\n") {
		hash, name, ok := strings.Cut(line, " ")
		if ok && name == ref && hashPattern.MatchString(hash) {
			return hash, nil
		}
	}
	return "", nil
}

// lend makes the source's objects readable from the bare repository gitDir, and copies what
// decides how its files are read: the index (which knows what is staged, left out or
// unchanged), the ignored names, and the list of commits without parents in a shallow clone.
func (s *source) lend(gitDir, index string) error {
	objects := filepath.Join(s.common, "objects")
	if strings.ContainsAny(objects, "\n\"") {
		return fmt.Errorf("read the repo: Git can't borrow from the folder %q: move it to one without quotes", objects)
	}
	if err := os.WriteFile(filepath.Join(gitDir, "objects", "info", "alternates"), []byte(objects+"\n"), 0o600); err != nil {
		return err
	}
	shared, err := filepath.Glob(filepath.Join(escaped(s.gitDir), "sharedindex.*"))
	if err != nil {
		return err
	}
	copies := map[string]string{
		filepath.Join(s.common, "info", "exclude"): filepath.Join(gitDir, "info", "exclude"),
		filepath.Join(s.common, "shallow"):         filepath.Join(gitDir, "shallow"),
		filepath.Join(s.gitDir, "index"):           index,
	}
	for _, file := range shared {
		copies[file] = filepath.Join(gitDir, filepath.Base(file))
	}
	for from, to := range copies {
		b, err := readRegular(from, maxIndex)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the repo: %w", err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(to, b, 0o600); err != nil {
			return err
		}
		// The copied index keeps its time: Git reads the content of files that are newer
		// than the index, as it can't rely on their times.
		info, err := os.Stat(from)
		if err == nil {
			err = os.Chtimes(to, info.ModTime(), info.ModTime())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// escaped quotes a path for use in a glob pattern.
func escaped(p string) string {
	return regexp.MustCompile(`[\\*?\[]`).ReplaceAllString(p, `\$0`)
}

// readRegular reads a file of at most limit bytes. It never blocks, as it refuses
// anything but a regular file, such as a pipe in the place of one of Git's files.
func readRegular(name string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: unix.EISDIR}
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	return b, err
}
