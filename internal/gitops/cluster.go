package gitops

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/hint"
)

// Cluster is what Flux is bootstrapped with: a folder of the tree, and the objects that have Flux
// reconcile it.
type Cluster struct {
	// Path is the folder: slash-separated, without "./"; empty for the whole tree.
	Path string
	// Root is the Kustomization over that folder, and Source what it takes the tree from.
	Root   Ref
	Source SourceRef
	// URL is where the tree is kept, and Branch the branch that Flux follows, as the repo says; empty if
	// it does not.
	URL, Branch string
	// DeclaredIn and DeclaredAt are the file and line where the repo says so; empty if it does not.
	DeclaredIn string
	DeclaredAt int
	// Instance is true if flux-operator installs Flux.
	Instance bool
	// Components are the controllers that a FluxInstance lists.
	Components []string
	// Spec is that of the Kustomization Root, if the repo declares it as it is applied at first.
	Spec map[string]any
}

// bootstrapped makes the cluster over a folder that flux bootstrap would make.
func bootstrapped(folder string) Cluster {
	return Cluster{Path: clean(folder), Root: RootLayer, Source: RootSource}
}

// looked says where clusters are looked for, for a person.
const looked = "Kustomization over its own folder (as in flux bootstrap's gotk-sync.yaml), no FluxInstance with a sync nor values of its chart, and nothing below clusters/, platforms/clusters/, kubernetes/flux/ or cluster/"

var fluxInstanceKind = schema.GroupKind{Group: "fluxcd.controlplane.io", Kind: "FluxInstance"}

// Clusters finds the clusters that the tree declares, sorted by path: by flux bootstrap's
// gotk-sync.yaml and by FluxInstances; if there are none, by Kustomizations over their own folder; and if
// there are none either, by the folders that people use.
func (t *Tree) Clusters() []Cluster {
	if t.clusters == nil {
		t.clusters = t.find()
	}
	return slices.Clone(t.clusters)
}

func (t *Tree) find() []Cluster {
	bySync := slices.Concat(t.kustomizationsOver(true), t.instances())
	if len(bySync) == 0 {
		bySync = t.kustomizationsOver(false)
	}
	if len(bySync) == 0 {
		bySync = t.conventional()
	}
	slices.SortStableFunc(bySync, func(a, b Cluster) int { return strings.Compare(a.Path, b.Path) })
	// What is said twice, in two ways or in a template beside it, is one cluster.
	return slices.CompactFunc(bySync, func(a, b Cluster) bool { return a.Path == b.Path })
}

// kustomizationsOver finds Kustomizations that lie in the folder that they are over; synced: of
// these, flux bootstrap's.
func (t *Tree) kustomizationsOver(synced bool) []Cluster {
	var out []Cluster
	for _, name := range t.names() {
		for _, d := range t.files[name].docs {
			if d.gk() != KustomizationKind || synced != (d.name() == RootLayer.Name) {
				continue
			}
			p := clean(d.str("spec", "path"))
			if p == "" && !synced || p != "" && !strings.HasPrefix(name, p+"/") || !t.memory.IsDir(at(p)) {
				continue
			}
			c := bootstrapped(p)
			c.Root = Ref{cmp.Or(d.namespace(), FluxNamespace), d.name()}
			c.DeclaredIn, c.DeclaredAt = name, d.line
			source, _ := d.value("spec", "sourceRef").(map[string]any)
			if ref := sourceRef(source, c.Root.Namespace); ref.Name != "" {
				c.Source = ref
			}
			if c.Source.Kind == "ExternalArtifact" {
				continue // it is made of the repo by something that comes before
			}
			if s := t.sourceDocument(c.Source, path.Dir(name)); s != nil {
				c.URL, c.Branch = s.str("spec", "url"), s.str("spec", "ref", "branch")
			}
			if !synced {
				c.Spec, _ = d.value("spec").(map[string]any)
			}
			out = append(out, c)
		}
	}
	return outermost(out)
}

// sourceDocument finds a source among all documents: first in the files at and below dir.
func (t *Tree) sourceDocument(ref SourceRef, dir string) *document {
	if t.sources == nil {
		t.sources = map[string][]*document{}
		for _, name := range t.names() {
			for i := range t.files[name].docs {
				if d := &t.files[name].docs[i]; d.gk().Group == SourceGroup {
					key := d.str("kind") + "/" + d.name()
					d.file = name
					t.sources[key] = append(t.sources[key], d)
				}
			}
		}
	}
	var found *document
	for _, d := range t.sources[ref.Kind+"/"+ref.Name] {
		if found == nil || strings.HasPrefix(d.file, dir+"/") {
			found = d
		}
	}
	return found
}

// instances finds the syncs of FluxInstances, and of values for the chart that makes one: in a
// release, or in a file of values.
func (t *Tree) instances() []Cluster {
	var out []Cluster
	for _, name := range t.names() {
		for _, d := range t.files[name].docs {
			var sync, components any
			namespace := FluxNamespace
			switch {
			case d.gk() == fluxInstanceKind:
				components = d.value("spec", "components")
				sync, namespace = d.value("spec", "sync"), cmp.Or(d.namespace(), FluxNamespace)
			case d.gk() == HelmReleaseKind:
				sync, components = d.value("spec", "values", "instance", "sync"), d.value("spec", "values", "instance", "components")
				namespace = cmp.Or(d.str("spec", "targetNamespace"), d.namespace(), FluxNamespace)
			case d.str("kind") == "":
				sync, components = d.value("instance", "sync"), d.value("instance", "components")
			}
			m, ok := sync.(map[string]any)
			if !ok || nested(m, "url") == "" {
				continue
			}
			p := clean(nested(m, "path"))
			if nested(m, "path") == "" || !t.memory.IsDir(at(p)) {
				continue
			}
			kind := cmp.Or(nested(m, "kind"), RootSource.Kind)
			sourceName := cmp.Or(nested(m, "name"), namespace)
			out = append(out, Cluster{
				Path: p, Root: Ref{namespace, sourceName}, Source: SourceRef{kind, namespace, sourceName},
				Instance: true, Components: texts(components), URL: nested(m, "url"), Branch: strings.TrimPrefix(nested(m, "ref"), "refs/heads/"), DeclaredIn: name, DeclaredAt: d.line,
			})
		}
	}
	return out
}

// outermost leaves out clusters whose folder lies in another's: that one's layers reach it.
func outermost(all []Cluster) []Cluster {
	return slices.DeleteFunc(slices.Clone(all), func(c Cluster) bool {
		return slices.ContainsFunc(all, func(o Cluster) bool { return strings.HasPrefix(c.Path, o.Path+"/") })
	})
}

// conventional finds the folders that people keep clusters in, and that no Kustomization of
// another folder leads to.
func (t *Tree) conventional() []Cluster {
	found := map[string]bool{}
	reached := map[string]bool{}
	for _, name := range t.names() {
		flux, object := false, t.files[name].err != nil
		for _, d := range t.files[name].docs {
			object = object || d.str("kind") != ""
			if d.gk() != KustomizationKind {
				continue
			}
			flux = true
			if p := clean(d.str("spec", "path")); p != "" {
				reached[p] = true
			}
		}
		for _, parent := range []string{"clusters/", "platforms/clusters/", "kubernetes/clusters/", "kubernetes/flux/", "cluster/"} {
			if !flux && (!object || !strings.HasSuffix(parent, "clusters/")) {
				continue // what lies in the other folders may be anything
			}
			if rest, ok := strings.CutPrefix(name, parent); ok && strings.Contains(rest, "/") {
				cluster, _, _ := strings.Cut(rest, "/")
				found[t.declaring(parent+cluster)] = true
			}
		}
	}
	var out []Cluster
	for p := range found {
		if !reached[p] {
			out = append(out, t.over(p))
		}
	}
	return out
}

// declaring returns the folder in which a cluster's layers are declared: its
// subfolder kustomizations if there is one, or else its folder itself.
func (t *Tree) declaring(cluster string) string {
	if below := cluster + "/kustomizations"; t.memory.IsDir(at(below)) {
		return below
	}
	return cluster
}

// over is the cluster over a folder that nothing but its place tells of. Its source has the name
// that the layers below call it by, if all agree on one that nothing declares.
func (t *Tree) over(folder string) Cluster {
	c := bootstrapped(folder)
	names := map[SourceRef]bool{}
	for _, name := range t.names() {
		if c.Path != "" && !strings.HasPrefix(name, c.Path+"/") {
			continue
		}
		for _, d := range t.files[name].docs {
			source, _ := d.value("spec", "sourceRef").(map[string]any)
			ref := sourceRef(source, cmp.Or(d.namespace(), FluxNamespace))
			if d.gk() == KustomizationKind && ref.Kind == RootSource.Kind && ref.Namespace == FluxNamespace && t.sourceDocument(ref, "") == nil {
				names[ref] = true
			}
		}
	}
	if len(names) == 1 {
		for c.Source = range names { //nolint:revive // the only one
		}
	}
	return c
}

// Cluster returns the one over a folder: as the tree declares it or, if it does not, as flux bootstrap
// would make it.
func (t *Tree) Cluster(folder string) (Cluster, error) {
	p := clean(folder)
	for _, c := range slices.Concat(t.Clusters(), t.kustomizationsOver(false)) {
		if c.Path == p {
			return c, nil
		}
	}
	if !t.memory.IsDir(at(p)) {
		next := "give --path the folder that Flux is bootstrapped on"
		if all := t.Clusters(); len(all) > 0 {
			next = "give --path one of " + strings.Join(Paths(all), ", ")
		}
		return Cluster{}, hint.New(fmt.Sprintf("path %q is not in the repo", p), next)
	}
	return t.over(p), nil
}

// Find returns the cluster over a folder or, if folder is empty, those over the folders that are declared or, if there
// are none, all that are found in the tree. None is an error.
func (t *Tree) Find(folder string, declared ...string) ([]Cluster, error) {
	if folder == "" && len(declared) > 0 {
		var out []Cluster
		for _, p := range declared {
			c, err := t.Cluster(p)
			if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
		return out, nil
	}
	if folder != "" {
		c, err := t.Cluster(folder)
		return []Cluster{c}, err
	}
	all := t.Clusters()
	if len(all) == 0 {
		return nil, hint.New("found no cluster in the repo: there is no "+looked, "give --path the folder that Flux is bootstrapped on")
	}
	return all, nil
}

// Paths are the folders of clusters.
func Paths(all []Cluster) []string {
	var out []string
	for _, c := range all {
		out = append(out, cmp.Or(c.Path, "."))
	}
	return out
}
