package gitops

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Tree is a tree of files, read once. Several repos can be made of it: one for each
// folder that Flux is bootstrapped on.
type Tree struct {
	// RecipientRules are the creation rules of .sops.yaml; nil if there is no such file.
	RecipientRules []RecipientRule

	memory   filesys.FileSystem
	files    map[string]*file
	objects  map[string]int // number of objects that a folder or file is built to
	archives []Archive
	working  func(layer, file string)
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
	t := &Tree{memory: filesys.MakeFsInMemory(), files: map[string]*file{}, objects: map[string]int{}, working: func(layer, file string) {
		for _, f := range working {
			f(layer, file)
		}
	}}
	if err := t.read(tree); err != nil {
		return nil, err
	}
	var err error
	t.RecipientRules, err = ReadRules(tree)
	return t, err
}

// base is the folder of the repo in memory. It is not the root, so that a kustomization
// around any of the repo's folders, even around the whole repo, can lie outside of it.
const base = "/repo"

func at(name string) string { return path.Join(base, name) }

func clean(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

// Find returns path or, if that is empty, the only folder in the tree that Flux is bootstrapped
// on. None or several are an error.
func (t *Tree) Find(path string) (string, error) {
	if path != "" {
		return path, nil
	}
	switch roots := t.Roots(); len(roots) {
	case 1:
		return roots[0], nil
	case 0:
		return "", errors.New("found no cluster in the repo: give --path the folder that Flux is bootstrapped on")
	default:
		return "", fmt.Errorf("the repo holds several clusters: give --path one of %s", strings.Join(roots, ", "))
	}
}

// read keeps every regular file in memory. Symbolic links are left out, as
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
			if slices.Contains([]string{".git", ".github", ".circleci", "node_modules"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || slices.Contains(ignored, d.Name()) {
			return nil
		}
		if !fs.ValidPath(name) {
			t.files[name] = &file{err: &ParseError{File: name, Line: 1, Message: "its name is not text (UTF-8)"}}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Size() > maxFile {
			t.files[name] = &file{err: &ParseError{File: name, Line: 1, Limit: true, Message: fmt.Sprintf("it is larger than %d MiB: it is not read", maxFile>>20)}}
			return t.memory.WriteFile(at(name), []byte(unread))
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
		if err := t.memory.WriteFile(at(name), b); err != nil {
			return nil // kustomize knows no file of such a name, so no layer can use it
		}
		return nil
	})
}

// ignored are the names of files that source-controller leaves out of its artifacts, in any folder.
var ignored = []string{
	".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml", "cloudbuild.yaml",
	"codeship-services.yml", "codeship-steps.yml", ".goreleaser.yml", ".sops.yaml", ".flux.yaml",
}

// bootstrapped returns the folder in which a cluster's layers are declared: its
// subfolder kustomizations if there is one, or else its folder itself.
func (t *Tree) bootstrapped(cluster string) string {
	if below := cluster + "/kustomizations"; t.memory.IsDir(at(below)) {
		return below
	}
	return cluster
}

// Roots guesses the folders that Flux is bootstrapped on, and sorts them: those with a
// Kustomization flux-system below them whose path is that folder or, if there are none,
// the subfolders of clusters/ and platforms/clusters/.
func (t *Tree) Roots() []string {
	found := map[string]bool{}
	for name, f := range t.files {
		for _, d := range f.docs {
			if d.gk() != KustomizationKind || d.name() != "flux-system" {
				continue
			}
			p := clean(d.str("spec", "path"))
			if strings.HasPrefix(name, p+"/") && p != "" {
				found[p] = true
			}
		}
	}
	if len(found) == 0 {
		for name := range t.files {
			for _, parent := range []string{"clusters/", "platforms/clusters/"} {
				if rest, ok := strings.CutPrefix(name, parent); ok && strings.Contains(rest, "/") {
					cluster, _, _ := strings.Cut(rest, "/")
					found[t.bootstrapped(parent+cluster)] = true
				}
			}
		}
	}
	delete(found, "")
	var out []string
	for p := range found {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}
