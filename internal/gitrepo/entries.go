package gitrepo

import (
	"context"
	"io/fs"
	"strings"
)

// types are the types of a tree's entries, by Git's modes; a submodule is a folder that is empty here.
var types = map[string]fs.FileMode{"040000": fs.ModeDir, "160000": fs.ModeDir, "120000": fs.ModeSymlink, "100644": 0, "100755": 0}

// Entries are the files and folders of the snapshot's tree with their types, by their slash-separated paths. The top
// itself is ".".
func (s *Snapshot) Entries(ctx context.Context) (map[string]fs.FileMode, error) {
	list, err := s.output(ctx, nil, "ls-tree", "-r", "-t", "-z", "--full-tree", s.Commit)
	if err != nil {
		return nil, err
	}
	out := map[string]fs.FileMode{".": fs.ModeDir}
	for _, entry := range strings.Split(list, "\x00") {
		about, name, _ := strings.Cut(entry, "\t")
		mode, _, _ := strings.Cut(about, " ")
		if kind, known := types[mode]; known {
			out[name] = kind
		}
	}
	return out, nil
}

// File returns the content of a file of the snapshot's tree.
func (s *Snapshot) File(ctx context.Context, name string) ([]byte, error) {
	text, err := s.output(ctx, nil, "cat-file", "blob", s.Commit+":"+name)
	return []byte(text), err
}
