package gitops

import (
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/types"

	"seatrial.dev/seatrial/internal/kinds"
)

// gather finds the objects of a layer that can't be built: all documents of the files that its kustomizations
// list, or that lie below its folder, which can be parsed. Patches and names are not applied, but for
// the kustomizations' namespace.
func (t *Tree) gather(dir string) []*Object {
	g := gatherer{tree: t, seen: map[string]bool{}}
	g.folder(dir, "")
	return g.out
}

type gatherer struct {
	tree *Tree
	seen map[string]bool
	out  []*Object
}

func (g *gatherer) folder(dir, namespace string) {
	if g.seen[dir] || len(g.out) > maxObjects {
		return
	}
	g.seen[dir] = true
	file := g.tree.kustomizationFile(dir)
	if file == "" {
		for _, name := range g.tree.names() {
			if strings.HasPrefix(name, dir+"/") || dir == "" {
				if part := g.tree.partOf(dir, name); part != name {
					g.folder(part, namespace)
				} else {
					g.file(name, namespace)
				}
			}
		}
		return
	}
	b, err := g.tree.memory.ReadFile(at(file))
	if err != nil {
		return
	}
	var k types.Kustomization
	if err := k.Unmarshal(b); err != nil {
		k = types.Kustomization{} // as far as it can be read
		for _, d := range parse(file, b).docs {
			resources, _ := d.content["resources"].([]any)
			components, _ := d.content["components"].([]any)
			k.Resources, k.Components, k.Namespace = texts(resources), texts(components), d.str("namespace")
		}
	}
	if namespace == "" {
		namespace = k.Namespace
	}
	for _, res := range slices.Concat(k.Resources, k.Components) {
		if p := path.Join(dir, res); g.tree.memory.IsDir(at(p)) {
			g.folder(p, namespace)
		} else {
			g.file(p, namespace)
		}
	}
}

func (g *gatherer) file(name, namespace string) {
	f := g.tree.files[name]
	if f == nil || g.seen[name] {
		return
	}
	g.seen[name] = true
	for _, d := range f.docs {
		if d.str("kind") == "" || d.name() == "" || d.gk().Group == "kustomize.config.k8s.io" {
			continue
		}
		u := &unstructured.Unstructured{Object: jsonTypes(deepCopy(d.content)).(map[string]any)}
		known, ok := kinds.Lookup(u.GroupVersionKind().Group, u.GetKind())
		if namespace != "" && !clusterScoped[u.GetKind()] && (!ok || known.Namespaced) {
			u.SetNamespace(namespace)
		}
		o := &Object{Unstructured: u, File: g.tree.original(name), Line: d.line}
		if sops, ok := u.Object["sops"].(map[string]any); ok {
			o.Encrypted, o.Recipients = true, recipients(sops)
		}
		g.out = append(g.out, o)
	}
}

// clusterScoped are Kubernetes' own kinds that have no namespace.
var clusterScoped = map[string]bool{
	"Namespace": true, "CustomResourceDefinition": true, "ClusterRole": true, "ClusterRoleBinding": true, "StorageClass": true,
	"PersistentVolume": true, "PriorityClass": true,
	"IngressClass": true, "ValidatingWebhookConfiguration": true, "MutatingWebhookConfiguration": true, "APIService": true, "RuntimeClass": true,
}

// deepCopy copies decoded YAML, so that what is done to an object leaves the file's document alone.
func deepCopy(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, inner := range v {
			out[key] = deepCopy(inner)
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, inner := range v {
			out = append(out, deepCopy(inner))
		}
		return out
	}
	return v
}
