package gitops

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// FluxNamespace is where Flux is bootstrapped.
const FluxNamespace = "flux-system"

// RootLayer is the Kustomization that bootstrap makes over the repo's path.
var RootLayer = Ref{Namespace: FluxNamespace, Name: "flux-system"}

// Layer is one Flux Kustomization of the repo.
type Layer struct {
	Ref
	// Path is where its manifests are: slash-separated, without "./".
	Path      string
	DependsOn []Dependency
	// Source is what it takes its manifests from.
	Source SourceRef
	// Foreign is true if it takes its manifests from another source than the repo itself.
	Foreign bool
	// Artifact is true if it takes them from the repo as an OCI artifact.
	Artifact bool
	// Wait is true if it is Ready only when its objects are (wait or health checks).
	Wait bool
	// DecryptionSecret names the Secret with the layer's SOPS keys. The name is empty if the layer
	// does not decrypt, or not with a Secret.
	DecryptionSecret Ref
	// Prunes is true if Flux deletes what the layer no longer has.
	Prunes bool
	// Decrypts is true if it has a SOPS decryption provider.
	Decrypts bool
	// Suspended layers are not reconciled.
	Suspended bool
	// Parent is the layer that declares this one; empty for the root layer.
	Parent Ref
	// File and Line are where the layer is declared; empty for the root layer if the repo does
	// not declare it.
	File string
	Line int
	// Objects are what it applies, in the order of the build.
	Objects []*Object
	// Build says why the layer can't be built; nil if it can.
	Build *BuildError
	// Opaque says why the layer's objects can't be known without a cluster; empty if they can.
	Opaque string
	// Needs are what it takes variables from and nothing in the repo brings before it.
	Needs []Needed

	spec      map[string]any
	title     string
	tree      *Tree       // its source's
	providers []*Provider // nil until findProviders
}

// Dependency is one dependsOn entry.
type Dependency struct {
	Ref
	Line int // in the layer's File
}

// Object is something that a layer applies.
type Object struct {
	*unstructured.Unstructured
	File string
	Line int
	// Recipients are the age recipients it is encrypted for; nil if it is in plain text.
	Recipients []string
	Encrypted  bool
	// Opened is true of a Secret whose values may come from an encrypted patch or generator file.
	Opened bool
}

// Identity is Kind/namespace/name, or Kind/name.
func (o *Object) Identity() string { return Identity(o.GetKind(), o.GetNamespace(), o.GetName()) }

// discover builds the root layer and then every layer that a layer declares. One whose variables come
// from an object that another layer brings is built after that.
func (r *Repo) discover() {
	root := &Layer{Ref: r.Root, Path: r.Path, Prunes: true, spec: map[string]any{}} // as flux bootstrap makes it
	if r.Spec != nil {
		declared := &Object{Unstructured: &unstructured.Unstructured{Object: map[string]any{"spec": jsonTypes(deepCopy(r.Spec))}}, File: r.DeclaredIn, Line: r.DeclaredAt}
		declared.SetNamespace(r.Root.Namespace)
		declared.SetName(r.Root.Name)
		root = r.newLayer(declared, &Layer{})
		root.Parent = Ref{}
	}
	root.Foreign = false
	root.tree, _ = r.origin(r.Source)
	if root.tree == nil {
		root.tree = r.view("")
	}
	r.Layers = []*Layer{root}
	known := map[Ref]bool{r.Root: true}
	for pending := []*Layer{root}; len(pending) > 0; {
		next := max(0, slices.IndexFunc(pending, func(l *Layer) bool { return !r.waitsFor(l) }))
		l := pending[next]
		pending = slices.Delete(pending, next, next+1)
		r.reconcile(l)
		for _, o := range l.Objects {
			if o.GroupVersionKind().GroupKind() != KustomizationKind {
				continue
			}
			next := r.newLayer(o, l)
			if next.Ref == r.Root {
				// The repo has been bootstrapped, so it declares the root layer itself.
				root.File, root.Line, root.DependsOn = o.File, o.Line, next.DependsOn
				root.Decrypts, root.DecryptionSecret, root.Wait, root.Prunes = next.Decrypts, next.DecryptionSecret, next.Wait, next.Prunes
			}
			if !known[next.Ref] {
				known[next.Ref] = true
				r.Layers = append(r.Layers, next)
				pending = append(pending, next)
			}
		}
	}
	r.entitle(r.Layers...)
}

// Title tells the layer apart from all others of the repo: its name, or namespace/name where another namespace
// has a layer of that name.
func (l *Layer) Title() string { return cmp.Or(l.title, l.Name) }

// entitle gives layers titles of their own where their names are not. A layer that only the cluster tells of
// is entitled among those that the repo tells of.
func (r *Repo) entitle(all ...*Layer) {
	for _, l := range all {
		if slices.ContainsFunc(r.Layers, func(o *Layer) bool { return o.Name == l.Name && o.Ref != l.Ref }) {
			l.title = l.String()
		}
	}
}

// reconcile builds a layer, as far as it can be known.
func (r *Repo) reconcile(l *Layer) {
	if !l.Foreign && l.Opaque == "" {
		l.tree.build(l, r.Open)
		r.substitute(l)
		l.commonMetadata()
	}
	for _, o := range l.Objects {
		if id := o.Identity(); r.built[id] == nil {
			r.built[id] = o
		}
	}
}

func (r *Repo) newLayer(o *Object, parent *Layer) *Layer {
	l := &Layer{Ref: Ref{o.GetNamespace(), o.GetName()}, Parent: parent.Ref, File: o.File, Line: o.Line}
	if l.Namespace == "" {
		l.Namespace = cmp.Or(nested(parent.spec, "targetNamespace"), "default")
	}
	l.spec, _, _ = unstructured.NestedMap(o.Object, "spec")
	l.Path = clean(nested(l.spec, "path"))
	l.Prunes, _, _ = unstructured.NestedBool(l.spec, "prune")
	l.Suspended, _, _ = unstructured.NestedBool(l.spec, "suspend")
	l.Wait, _, _ = unstructured.NestedBool(l.spec, "wait")
	if checks, _, _ := unstructured.NestedSlice(l.spec, "healthChecks"); len(checks) > 0 {
		l.Wait = true
	}
	if provider := nested(l.spec, "decryption", "provider"); provider == "sops" {
		l.Decrypts = true
		if name := nested(l.spec, "decryption", "secretRef", "name"); name != "" {
			l.DecryptionSecret = Ref{l.Namespace, name}
		}
	}
	source, _, _ := unstructured.NestedMap(l.spec, "sourceRef")
	l.Source = sourceRef(source, l.Namespace)
	l.tree, l.Opaque = r.origin(l.Source)
	l.Foreign, l.Artifact = l.tree == nil && l.Opaque == "", l.tree != nil && l.Source.Kind == RootArtifact.Kind
	dependencies, _, _ := unstructured.NestedSlice(l.spec, "dependsOn")
	for i, d := range dependencies {
		m, ok := d.(map[string]any)
		if !ok {
			continue
		}
		ref := Ref{cmp.Or(nested(m, "namespace"), l.Namespace), nested(m, "name")}
		l.DependsOn = append(l.DependsOn, Dependency{Ref: ref, Line: cmp.Or(r.dependencyLine(l, i, ref.Name), l.Line)})
	}
	return l
}

// Discovered makes a layer of a live Kustomization that the repo's files don't
// tell of: one from another source, or from a build that can't be done here.
func (r *Repo) Discovered(u *unstructured.Unstructured) *Layer {
	l := (&Repo{Tree: &Tree{}}).newLayer(&Object{Unstructured: u}, &Layer{})
	l.Foreign, l.Opaque = true, ""
	r.entitle(l)
	return l
}

// Opaque says whether there may be layers that only the cluster will know.
func (r *Repo) Opaque() bool {
	return slices.ContainsFunc(r.Layers, func(l *Layer) bool { return l.Opaque != "" || l.Foreign || l.Build != nil })
}

// Asleep says whether a layer, or one that it is declared by, is suspended.
func (r *Repo) Asleep(l *Layer) bool {
	for range r.Layers { // a chain of parents can't be longer, unless it is a circle
		if l == nil || l.Ref == r.Root {
			return false
		}
		if l.Suspended {
			return true
		}
		l = r.Layer(l.Parent)
	}
	return false
}

// dependencyLine finds the line of the i-th dependsOn entry in the layer's file.
func (r *Repo) dependencyLine(l *Layer, i int, name string) int {
	f := r.files[l.File]
	if f == nil {
		return 0
	}
	for _, d := range f.docs {
		if d.line != l.Line {
			continue
		}
		list := lookup(d.node, "spec", "dependsOn")
		if list == nil || i >= len(list.Content) {
			return 0
		}
		if n := lookup(list.Content[i], "name"); n != nil && n.Value == name {
			return n.Line
		}
	}
	return 0
}

// nested returns a string below a path of keys, or "".
func nested(m map[string]any, keys ...string) string {
	s, _, _ := unstructured.NestedString(m, keys...)
	return s
}

// Ancestors returns the layers that l depends on, directly or through others.
func (r *Repo) Ancestors(l *Layer) map[Ref]bool {
	seen := map[Ref]bool{}
	var visit func(*Layer)
	visit = func(l *Layer) {
		for _, d := range l.DependsOn {
			if seen[d.Ref] {
				continue
			}
			seen[d.Ref] = true
			if next := r.Layer(d.Ref); next != nil {
				visit(next)
			}
		}
	}
	visit(l)
	return seen
}

// Cycles returns the groups of layers that depend on each other in a circle,
// each in the order of the circle, starting at its first name.
func (r *Repo) Cycles() [][]*Layer {
	var out [][]*Layer
	done := map[Ref]bool{}
	for _, start := range r.Layers {
		if done[start.Ref] || !r.Ancestors(start)[start.Ref] {
			continue
		}
		circle := r.circle(start)
		for _, l := range circle {
			done[l.Ref] = true
		}
		first := slices.IndexFunc(circle, func(l *Layer) bool {
			return !slices.ContainsFunc(circle, func(o *Layer) bool { return strings.Compare(o.Name, l.Name) < 0 })
		})
		out = append(out, slices.Concat(circle[first:], circle[:first]))
	}
	return out
}

// Circle writes a cycle as a → b → a.
func Circle(cycle []*Layer) string {
	names := make([]string, 0, len(cycle)+1)
	for _, l := range cycle {
		names = append(names, l.Title())
	}
	return strings.Join(append(names, cycle[0].Title()), " → ")
}

// circle is a shortest way from start back to itself along dependsOn.
func (r *Repo) circle(start *Layer) []*Layer {
	type step struct {
		layer *Layer
		way   []*Layer
	}
	queue := []step{{start, []*Layer{start}}}
	seen := map[Ref]bool{}
	for len(queue) > 0 {
		s := queue[0]
		queue = queue[1:]
		for _, d := range s.layer.DependsOn {
			if d.Ref == start.Ref {
				return s.way
			}
			next := r.Layer(d.Ref)
			if next == nil || seen[d.Ref] {
				continue
			}
			seen[d.Ref] = true
			queue = append(queue, step{next, append(slices.Clone(s.way), next)})
		}
	}
	return []*Layer{start}
}

// Timeout is how long Flux gives the layer for one reconciliation, and Interval how often it comes by
// itself, as the repo writes them; empty if it does not.
func (l *Layer) Timeout() (timeout, interval string) {
	return nested(l.spec, "timeout"), nested(l.spec, "interval")
}

// HealthChecked are the kinds that the layer's health checks name.
func (l *Layer) HealthChecked() []schema.GroupVersionKind {
	var out []schema.GroupVersionKind
	for _, field := range []string{"healthChecks", "healthCheckExprs"} {
		for _, m := range mappings(l.spec[field]) {
			if gv, err := schema.ParseGroupVersion(nested(m, "apiVersion")); err == nil && nested(m, "kind") != "" {
				out = append(out, gv.WithKind(nested(m, "kind")))
			}
		}
	}
	return out
}
