package gitrepo

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// What a tree may hold. Its files are kept in memory several times over.
const (
	maxFiles = 50_000
	maxBytes = 512 << 20
	maxLevel = 100      // nesting of folders
	maxTrees = 16 << 20 // bytes of the tree objects of all folders on one level
)

// withinLimits returns an error if changed files exceed the limits, before any of them is read.
func withinLimits(dir string, paths []string) error {
	var t tally
	for _, name := range paths {
		info, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			continue // deleted
		}
		t.add(name, 1, info.Size())
	}
	return t.err()
}

// bounded returns an error if a tree exceeds the limits. It reads each tree object
// once, however often the tree contains it, and no file: a few objects can stand for
// billions of files.
func (s *Snapshot) bounded(ctx context.Context, tree string) error {
	var t tally
	here := map[string]place{tree: {times: 1}} // folders of this level, by hash
	files := map[string]place{}
	for level := 0; len(here) > 0; level++ {
		if level > maxLevel {
			return fmt.Errorf("the repo's folders lie more than %d deep within each other: no more are read", maxLevel)
		}
		below := map[string]place{}
		if err := s.smallTrees(ctx, here); err != nil {
			return err
		}
		err := s.objects(ctx, "--batch", keys(here), func(hash string, _ int64, content []byte) error {
			return entries(content, len(hash)/2, func(mode, name, entry string) {
				at := place{path: path.Join(here[hash].path, name), times: here[hash].times}
				switch mode {
				case "40000":
					below[entry] = below[entry].plus(at)
				case "160000": // a submodule
				default:
					files[entry] = files[entry].plus(at)
				}
			})
		})
		if err != nil {
			return err
		}
		here = below
		for _, p := range files {
			if p.times > maxFiles {
				t.add(p.path, p.times, 0)
			}
		}
		for _, p := range below {
			if p.times > maxFiles {
				t.add(p.path, p.times, 0)
			}
		}
		if err := t.err(); err != nil {
			return err
		}
	}
	err := s.objects(ctx, "--batch-check", keys(files), func(hash string, size int64, _ []byte) error {
		t.add(files[hash].path, files[hash].times, size)
		return nil
	})
	if err != nil {
		return err
	}
	return t.err()
}

// smallTrees returns an error if the tree objects of one level, which list the folders'
// entries, are too large to be read.
func (s *Snapshot) smallTrees(ctx context.Context, trees map[string]place) error {
	var all int64
	return s.objects(ctx, "--batch-check", keys(trees), func(hash string, size int64, _ []byte) error {
		if all += size; all > maxTrees {
			return fmt.Errorf("the repo's folder %q has more entries than are read: keep generated files out of Git", "/"+trees[hash].path)
		}
		return nil
	})
}

// place is one of the paths at which a tree contains an object, and the number of these paths.
type place struct {
	path  string
	times int
}

func (p place) plus(q place) place { return place{q.path, min(p.times+q.times, 100*maxFiles)} }

func keys(m map[string]place) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

// objects calls tell for each object: with its size and, if mode is --batch, its
// content. mode is an option of git cat-file.
func (s *Snapshot) objects(ctx context.Context, mode string, hashes []string, tell func(hash string, size int64, content []byte) error) error {
	out, err := s.outputIn(ctx, "", nil, strings.NewReader(strings.Join(hashes, "\n")+"\n"), "cat-file", mode)
	if err != nil {
		return fmt.Errorf("read the repo: %w", err)
	}
	for rest := []byte(out); len(rest) > 0; {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		f := strings.Fields(string(line))
		if len(f) == 2 && f[1] == "missing" {
			return fmt.Errorf("read the repo: object %s is not there: fetch it, and in a clone that borrows from another one run git repack -a -d", f[0])
		}
		if len(f) != 3 {
			return fmt.Errorf("git cat-file: unexpected line %q", line)
		}
		size, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil {
			return fmt.Errorf("git cat-file: unexpected line %q", line)
		}
		var content []byte
		if mode == "--batch" {
			if int64(len(after)) < size+1 {
				return fmt.Errorf("git cat-file: object %s is cut off", f[0])
			}
			content, after = after[:size], after[size+1:]
		}
		if err := tell(f[0], size, content); err != nil {
			return err
		}
		rest = after
	}
	return nil
}

// entries reads a tree object and calls tell for each entry; the hash is in
// hexadecimal.
func entries(tree []byte, hashSize int, tell func(mode, name, hash string)) error {
	for len(tree) > 0 {
		mode, rest, ok := bytes.Cut(tree, []byte(" "))
		name, rest, ok2 := bytes.Cut(rest, []byte{0})
		if !ok || !ok2 || len(rest) < hashSize {
			return fmt.Errorf("read the repo: a folder's object is cut off")
		}
		tell(string(mode), string(name), hex.EncodeToString(rest[:hashSize]))
		tree = rest[hashSize:]
	}
	return nil
}

// tally adds up files and remembers the largest.
type tally struct {
	files   int
	bytes   int64
	largest string
	most    int64
}

func (t *tally) add(name string, times int, size int64) {
	t.files += times
	t.bytes += size * int64(times)
	if size >= t.most {
		t.largest, t.most = name, size
	}
}

func (t *tally) err() error {
	switch {
	case t.files > maxFiles:
		return fmt.Errorf("the repo holds more than %d files, %q among them: no more are read: keep generated files out of Git", maxFiles, t.largest)
	case t.bytes > maxBytes:
		return fmt.Errorf("the repo's files take %d MiB, the largest is %q with %d MiB: no more than %d MiB are read: keep large files out of the GitOps repo", t.bytes>>20, t.largest, t.most>>20, maxBytes>>20)
	}
	return nil
}
