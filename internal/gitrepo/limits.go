package gitrepo

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// What a tree may hold. Its files are kept in memory several times over.
const (
	maxFiles = 50_000
	maxBytes = 512 << 20
)

// withinLimits refuses changed files that would not fit, before any is read.
func withinLimits(dir string, paths []string) error {
	var t tally
	for _, name := range paths {
		info, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			continue // deleted
		}
		t.add(name, info.Size())
	}
	return t.err()
}

// bounded refuses a tree that would not fit. Git tells an object's size without
// unpacking it.
func (s *Snapshot) bounded(ctx context.Context, tree string) error {
	list, err := s.outputIn(ctx, "", nil, nil, "ls-tree", "-r", "-l", "-z", "--full-tree", tree)
	if err != nil {
		return fmt.Errorf("read the repo: %w", err)
	}
	var t tally
	for _, entry := range strings.Split(list, "\x00") {
		meta, name, ok := strings.Cut(entry, "\t")
		fields := strings.Fields(meta)
		if !ok || len(fields) != 4 {
			continue
		}
		size, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil {
			continue // a submodule has no size
		}
		t.add(name, size)
	}
	return t.err()
}

// tally adds files up.
type tally struct {
	files   int
	bytes   int64
	largest string
	most    int64
}

func (t *tally) add(name string, size int64) {
	t.files++
	t.bytes += size
	if size >= t.most {
		t.largest, t.most = name, size
	}
}

func (t *tally) err() error {
	switch {
	case t.files > maxFiles:
		return fmt.Errorf("the repo holds %d files, %q among them: no more than %d are read: give the folder of a smaller repo, or keep generated files out of Git", t.files, t.largest, maxFiles)
	case t.bytes > maxBytes:
		return fmt.Errorf("the repo's files take %d MiB, the largest is %q with %d MiB: no more than %d MiB are read: keep large files out of the GitOps repo", t.bytes>>20, t.largest, t.most>>20, maxBytes>>20)
	}
	return nil
}
