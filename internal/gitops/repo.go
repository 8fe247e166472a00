// Package gitops is the model that everything reads: a Flux repo's layers, what
// each of them applies and from which line of which file, and how they depend
// on each other.
//
// It is pure: it reads a tree of files and neither writes nor calls anything.
package gitops

import (
	"fmt"
	"io/fs"
	"strings"
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
	*Tree

	sources []*Source
	uses    []*Use
}

// Load reads the repo in tree and builds every layer below root, which is where Flux
// is bootstrapped: clusters/production, say. See Read and Tree.Repo.
func Load(tree fs.FS, root string, working ...func(layer, file string)) (*Repo, error) {
	t, err := Read(tree, working...)
	if err != nil {
		return nil, err
	}
	return t.Repo(root)
}

// Repo builds every layer below root, which is where Flux is bootstrapped. What can't be
// built is no error here: it is left in the layer (Layer.Build, Layer.Opaque).
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

// FluxVersion is the Flux version of the components that the repo brings along from a
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
