// Package gitops is the model of a Flux repo that all other packages use: its layers, the
// objects that each layer applies with their file and line, and the dependencies between layers.
//
// It is pure: it reads a tree of files and neither writes nor calls anything.
package gitops

import (
	"io/fs"
)

// Ref names an object whose kind is known from the context.
type Ref struct{ Namespace, Name string }

// String is namespace/name.
func (r Ref) String() string { return r.Namespace + "/" + r.Name }

// Repo is a tree as one cluster reconciles it.
type Repo struct {
	Cluster
	// Layers are all Kustomizations below Path, the root one first.
	Layers []*Layer
	*Tree
	Options
	// Before are the API groups whose kinds exist before Flux comes, with why; may be nil.
	Before map[string]string

	derived   map[string]string  // derive's
	resolving map[SourceRef]bool // origin's, on the way
	built     map[string]*Object // what layers apply, by identity
	sources   []*Source
	uses      []*Use
}

// Options are what is known of a repo besides its files.
type Options struct {
	// URLs are addresses of the repo itself, beside what it says of itself: those of a clone's remotes.
	URLs []string
	// Own are sources that stand for the repo, whatever their address.
	Own []SourceRef
	// Open returns a SOPS file in plain text; nil: values in it are not known.
	Open func(name string, encrypted []byte) (plain []byte, err error)
}

// Load reads the repo in tree and builds every layer below root, the folder that Flux
// is bootstrapped on, such as clusters/production. It is Read followed by Tree.Cluster and Tree.Repo.
func Load(tree fs.FS, root string, working ...func(layer, file string)) (*Repo, error) {
	t, err := Read(tree, working...)
	if err != nil {
		return nil, err
	}
	c, err := t.Cluster(root)
	if err != nil {
		return nil, err
	}
	return t.Repo(c, Options{}), nil
}

// Repo builds every layer of a cluster. A layer that can't be built is not an error here: see
// Layer.Build and Layer.Opaque.
func (t *Tree) Repo(c Cluster, o Options) *Repo {
	r := &Repo{Cluster: c, Tree: t, Options: o, built: map[string]*Object{}}
	r.discover()
	r.findSources()
	r.findProviders()
	return r
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
	for _, o := range r.Layer(r.Root).Objects {
		labels := o.GetLabels()
		if o.GetKind() == "CustomResourceDefinition" && labels["app.kubernetes.io/part-of"] == "flux" {
			return labels["app.kubernetes.io/version"]
		}
	}
	return ""
}
