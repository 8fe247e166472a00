// Package gitops is the model that everything reads: a Flux repo's layers, what
// each of them applies and from which line of which file, and how they depend
// on each other.
//
// It is pure: it reads a tree of files and neither writes nor calls anything.
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

// Ref names an object of a kind that the context tells.
type Ref struct{ Namespace, Name string }

// String is namespace/name.
func (r Ref) String() string { return r.Namespace + "/" + r.Name }

// Repo is a parsed Flux repo.
type Repo struct {
	// Path is what Flux was, or will be, bootstrapped on: slash-separated, without "./".
	Path string
	// Layers are all Kustomizations below Path, the root one (flux-system) first.
	Layers []*Layer
	// RecipientRules are those of .sops.yaml, nil without one.
	RecipientRules []RecipientRule

	memory   filesys.FileSystem
	files    map[string]*file
	objects  map[string]int // how many a folder or file is built to
	archives []Archive
	working  func(layer, file string)
}

// file is a YAML file of the repo.
type file struct {
	docs   []document
	err    *ParseError
	partly bool // some of its documents are no objects
}

// ParseError is a file that is not YAML.
type ParseError struct {
	File    string
	Line    int // 0 if unknown
	Message string
	// Limit is true if it may be YAML, but is more of it than is read.
	Limit bool
}

func (e *ParseError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message) }

// Load reads the repo in tree and builds every layer below root, which is
// where Flux is bootstrapped: clusters/production, say. working is told before each
// file that is read and each layer that is built, as kustomize can't be stopped. What can't be read or built is an error of its layer.
func Load(tree fs.FS, root string, working ...func(layer, file string)) (*Repo, error) {
	r := newRepo(working)
	r.Path = clean(root)
	if err := r.read(tree); err != nil {
		return nil, err
	}
	if !r.memory.IsDir(at(r.Path)) {
		return nil, fmt.Errorf("path %q is not in the repo: %s", r.Path, r.hint())
	}
	rules, err := ReadRules(tree)
	if err != nil {
		return nil, err
	}
	r.RecipientRules = rules
	r.discover()
	return r, nil
}

func newRepo(working []func(layer, file string)) *Repo {
	return &Repo{memory: filesys.MakeFsInMemory(), files: map[string]*file{}, objects: map[string]int{}, working: func(layer, file string) {
		for _, f := range working {
			f(layer, file)
		}
	}}
}

// base is where the repo lies in memory: below it, so that a kustomization
// around any of its folders, its root included, lies outside of it.
const base = "/repo"

func at(name string) string { return path.Join(base, name) }

func clean(p string) string { return strings.TrimPrefix(path.Clean("/"+p), "/") }

func (r *Repo) hint() string {
	if roots := r.roots(); len(roots) > 0 {
		return "give --path one of " + strings.Join(roots, ", ")
	}
	return "give --path the folder that Flux is bootstrapped on"
}

// read keeps every regular file in memory. Symbolic links are left out, as
// source-controller leaves them out of its artifacts.
func (r *Repo) read(tree fs.FS) error {
	return fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrPermission) && name != "." {
			return fs.SkipDir // another user's folder in the working folder
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
			r.files[name] = &file{err: &ParseError{File: name, Line: 1, Message: "its name is not text (UTF-8)"}}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Size() > maxFile {
			r.files[name] = &file{err: &ParseError{File: name, Line: 1, Limit: true, Message: fmt.Sprintf("it is larger than %d MiB: it is not read", maxFile>>20)}}
			return r.memory.WriteFile(at(name), []byte(unread))
		}
		b, err := fs.ReadFile(tree, name)
		if errors.Is(err, fs.ErrPermission) {
			r.files[name] = &file{err: &ParseError{File: name, Message: "can't be read: permission denied"}}
			return nil
		}
		if err != nil {
			return err
		}
		r.working("", name)
		r.archive(name, b)
		if ext := path.Ext(name); ext == ".yaml" || ext == ".yml" {
			r.files[name] = parse(name, b)
			if e := r.files[name].err; e != nil && (e.Limit || len(b) > 1<<20) {
				b = []byte(unread) // kustomize would take minutes to find the same
			}
		} else if why := hidden(string(b)); why != "" { // kustomize takes files of any name
			r.files[name] = &file{err: &ParseError{File: name, Line: 1, Message: why, Limit: true}}
			b = []byte(unread)
		}
		if err := r.memory.WriteFile(at(name), b); err != nil {
			return nil // kustomize knows no file of such a name, so no layer can use it
		}
		return nil
	})
}

// ignored are files that source-controller leaves out of its artifacts wherever
// they are.
var ignored = []string{
	".travis.yml", ".gitlab-ci.yml", "appveyor.yml", ".drone.yml", "cloudbuild.yaml",
	"codeship-services.yml", "codeship-steps.yml", ".goreleaser.yml", ".sops.yaml", ".flux.yaml",
}

// Layer finds a layer.
func (r *Repo) Layer(ref Ref) *Layer {
	for _, l := range r.Layers {
		if l.Ref == ref {
			return l
		}
	}
	return nil
}

// bootstrapped is where below a cluster's folder its layers are declared: many
// repos keep them apart from what the layers apply.
func (r *Repo) bootstrapped(cluster string) string {
	if below := cluster + "/kustomizations"; r.memory.IsDir(at(below)) {
		return below
	}
	return cluster
}

// Roots guesses where Flux is bootstrapped in a tree: the folders that hold a
// flux-system folder whose sync points back at them, else the children of
// clusters/ and platforms/clusters/.
func Roots(tree fs.FS, working ...func(layer, file string)) ([]string, error) {
	r := newRepo(working)
	if err := r.read(tree); err != nil {
		return nil, err
	}
	return r.roots(), nil
}

func (r *Repo) roots() []string {
	found := map[string]bool{}
	for name, f := range r.files {
		for _, d := range f.docs {
			if d.gk() != kustomizationKind || d.name() != "flux-system" {
				continue
			}
			p := clean(d.str("spec", "path"))
			if strings.HasPrefix(name, p+"/") && p != "" {
				found[p] = true
			}
		}
	}
	if len(found) == 0 {
		for name := range r.files {
			for _, parent := range []string{"clusters/", "platforms/clusters/"} {
				if rest, ok := strings.CutPrefix(name, parent); ok && strings.Contains(rest, "/") {
					cluster, _, _ := strings.Cut(rest, "/")
					found[r.bootstrapped(parent+cluster)] = true
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
