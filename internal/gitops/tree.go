package gitops

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Tree is a tree of files, read once. Several repos can be made of it: one for each
// cluster that is declared in it.
type Tree struct {
	// RecipientRules are the creation rules of .sops.yaml; nil if there is no such file.
	RecipientRules []RecipientRule

	memory   filesys.FileSystem
	contents map[string][]byte // what memory holds: to walk that takes the square of a folder's files
	files    map[string]*file
	links    map[string]string // symbolic links, and what they lead to
	objects  map[string]int    // number of objects that a folder or file is built to
	archives []Archive
	working  func(layer, file string)
	referred map[string]bool        // Referred's; nil before
	views    map[string]*Tree       // by what a source leaves out
	sealed   *bool                  // anySealed's; nil before
	sorted   []string               // names'
	clusters []Cluster              // Clusters'; nil before
	sources  map[string][]*document // sourceDocument's, by kind and name; nil before
	moved    map[string]string      // of a view, where its files are in the repo
	schemas  bool                   // a kustomization brings schemas of its own, which kustomize keeps
}

// file is a YAML file of the tree.
type file struct {
	docs   []document
	err    *ParseError
	partly bool // some of its documents are no objects
}

// ParseError says why a file can't be read: usually that it is not YAML.
type ParseError struct {
	File    string
	Line    int // 0 if unknown
	Message string
	// Limit is true if the file exceeds a limit.
	Limit bool
}

// Error is file:line and what is wrong there.
func (e *ParseError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message) }

// Read reads and parses a tree. It calls working with each file before it is parsed, and
// Repo does so with each layer before it is built: a guard needs that, as neither can be
// interrupted. A file that can't be read or parsed is not an error here: layers that use
// it can't be built.
func Read(tree fs.FS, working ...func(layer, file string)) (*Tree, error) {
	t := &Tree{
		memory: filesys.MakeFsInMemory(), contents: map[string][]byte{}, files: map[string]*file{}, links: map[string]string{}, objects: map[string]int{}, views: map[string]*Tree{},
		working: func(layer, file string) {
			for _, f := range working {
				f(layer, file)
			}
		},
	}
	if err := t.read(tree); err != nil {
		return nil, err
	}
	t.linkTexts()
	var err error
	t.RecipientRules, err = ReadRules(tree)
	return t, err
}

// base is the folder of the repo in memory.
const base = "/repo"

func at(name string) string { return path.Join(base, name) }

func clean(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

// read keeps every regular file in memory. Of symbolic links only where they lead is known, as
// source-controller leaves them out of its artifacts.
func (t *Tree) read(tree fs.FS) error {
	return fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrPermission) && name != "." {
			return fs.SkipDir // a folder that this user may not read
		}
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", "node_modules"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if d.Type()&fs.ModeSymlink != 0 {
			t.links[name], _ = fs.ReadLink(tree, name) // "" where the file system can't tell
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		if !fs.ValidPath(name) {
			t.files[name] = &file{err: &ParseError{File: name, Line: 1, Message: "its name is not text (UTF-8)"}}
			return nil
		}
		return t.readFile(tree, name, d)
	})
}

func (t *Tree) readFile(tree fs.FS, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	if info.Size() > maxFile {
		t.files[name] = &file{err: &ParseError{File: name, Line: 1, Limit: true, Message: fmt.Sprintf("it is larger than %d MiB: it is not read", maxFile>>20)}}
		t.put(name, []byte(unread))
		return nil
	}
	b, err := fs.ReadFile(tree, name)
	if errors.Is(err, fs.ErrPermission) {
		t.files[name] = &file{err: &ParseError{File: name, Message: "can't be read: permission denied"}}
		return nil
	}
	if err != nil {
		return err
	}
	t.working("", name)
	t.archive(name, b)
	if ext := path.Ext(name); ext == ".yaml" || ext == ".yml" {
		t.files[name] = parse(name, b)
		if e := t.files[name].err; e != nil && (e.Limit || len(b) > 1<<20) {
			b = []byte(unread) // kustomize would take minutes to fail
		}
	} else if why := hidden(string(b)); why != "" { // kustomize reads files of any extension as YAML
		t.files[name] = &file{err: &ParseError{File: name, Line: 1, Message: why, Limit: true}}
		b = []byte(unread)
	}
	if why := copying(b); why != "" {
		t.files[name] = &file{err: &ParseError{File: name, Line: 1, Message: why, Limit: true}}
		b = []byte(unread)
	}
	if slices.Contains(kustomizationFiles, path.Base(name)) && strings.Contains(string(b), "openapi") {
		t.schemas = true
	}
	t.put(name, b)
	return nil
}

// put adds a file to what layers are built from. A name that the memory refuses, kustomize does not know: no layer can use it.
func (t *Tree) put(name string, b []byte) {
	if t.memory.WriteFile(at(name), b) == nil {
		t.contents[name] = b
	}
}

// names are the YAML files that the tree holds, sorted.
func (t *Tree) names() []string {
	if len(t.sorted) != len(t.files) { // files are added only
		t.sorted = slices.Sorted(maps.Keys(t.files))
	}
	return t.sorted
}

// original is the file of the repo that a file of a view was copied from.
func (t *Tree) original(name string) string {
	if from, ok := t.moved[name]; ok {
		return from
	}
	return name
}

// link returns the symbolic link on the way to a path, and where it leads; "" if there is none.
func (t *Tree) link(p string) (name, target string) {
	for p = clean(p); p != "" && p != "."; p = path.Dir(p) {
		if target, ok := t.links[p]; ok {
			return p, target
		}
	}
	return "", ""
}

// linkTexts finds the symbolic links that a checkout without them has written as files: those whose whole content is
// where another file or folder lies.
func (t *Tree) linkTexts() {
	t.each(func(name string, b []byte) {
		target := string(b)
		if len(b) == 0 || len(b) > 1024 || !strings.HasPrefix(target, "../") || strings.ContainsAny(target, "\n{}: ") {
			return
		}
		if to := path.Join(path.Dir(name), target); t.memory.Exists(at(to)) && !strings.HasPrefix(to, "..") {
			t.links[name] = target
		}
	})
}

// Link adds symbolic links, which the files that were read no longer tell of, and what they lead to.
func (t *Tree) Link(links map[string]string) { maps.Copy(t.links, links) }
