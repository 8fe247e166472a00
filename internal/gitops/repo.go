// Package gitops is the model of a Flux repo that all other packages use: its layers, the
// objects that each layer applies with their file and line, and the dependencies between layers.
//
// It is pure: it reads a tree of files and neither writes nor calls anything.
package gitops

import (
	"fmt"
	"io/fs"
	"strings"
)

// Ref names an object whose kind is known from the context.
type Ref struct{ Namespace, Name string }

// String is namespace/name.
func (r Ref) String() string { return r.Namespace + "/" + r.Name }

// Repo is a parsed Flux repo.
type Repo struct {
	// Path is the folder that Flux is, or will be, bootstrapped on: slash-separated,
	// without "./".
	Path string
	// Layers are all Kustomizations below Path, the root one (flux-system) first.
	Layers []*Layer
	*Tree

	sources []*Source
	uses    []*Use
}

// Load reads the repo in tree and builds every layer below root, the folder that Flux
// is bootstrapped on, such as clusters/production. It is Read followed by Tree.Repo.
func Load(tree fs.FS, root string, working ...func(layer, file string)) (*Repo, error) {
	t, err := Read(tree, working...)
	if err != nil {
		return nil, err
	}
	return t.Repo(root)
}

// Repo builds every layer below root, the folder that Flux is bootstrapped on. A layer
// that can't be built is not an error here: see Layer.Build and Layer.Opaque.
func (t *Tree) Repo(root string) (*Repo, error) {
	r := &Repo{Path: clean(root), Tree: t}
	if !t.memory.IsDir(at(r.Path)) {
		hint := "give --path the folder that Flux is bootstrapped on"
		if roots := t.Roots(); len(roots) > 0 {
			hint = "give --path one of " + strings.Join(roots, ", ")
		}
		return nil, fmt.Errorf("path %q is not in the repo: %s", r.Path, hint)
	}
	r.discover()
	r.findSources()
	return r, nil
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

// FluxVersion returns the version of the Flux components that the repo holds since its
// bootstrap, as vX.Y.Z, or "".
func (r *Repo) FluxVersion() string {
	for _, o := range r.Layer(RootLayer).Objects {
		labels := o.GetLabels()
		if o.GetKind() == "CustomResourceDefinition" && labels["app.kubernetes.io/part-of"] == "flux" {
			return labels["app.kubernetes.io/version"]
		}
	}
	return ""
}
