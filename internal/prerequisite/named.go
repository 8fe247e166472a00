package prerequisite

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/spelling"
)

// placeholder is a value that nobody knows.
const placeholder = "placeholder"

// named finds the Secrets and ConfigMaps that nothing but a reference of Flux's own objects names: somebody makes
// them by hand, or an operator by an object of the repo.
func (f *finder) named() {
	needs := map[string]*need{}
	add := func(kind, namespace, name, why string, keys ...string) {
		if name == "" || strings.Contains(name+namespace, "$") {
			return
		}
		id := gitops.Identity(kind, namespace, name)
		if needs[id] == nil {
			needs[id] = &need{kind: kind, Ref: gitops.Ref{Namespace: namespace, Name: name}, why: why, keys: map[string]bool{}}
		}
		for _, k := range keys {
			needs[id].keys[k] = true
		}
	}
	for _, l := range f.repo.Layers {
		for _, n := range l.Needs {
			add(n.Kind, n.Namespace, n.Name, "Kustomization "+l.String()+" substitutes variables from it", n.Variables...)
		}
		for _, o := range l.Objects {
			f.references(o, add)
		}
	}
	for id, n := range needs {
		if f.made[id] || f.brought(id) {
			continue
		}
		if f.misspelt(n) || f.misplaced(n) {
			continue // the rehearsal is to tell
		}
		a := Assumption{What: id, Why: n.why + ", and nothing in the repo brings it", Objects: []*unstructured.Unstructured{n.object()}}
		if maker := f.maker(n); maker != nil {
			a.Maker, a.File, a.Line = maker, maker.File, maker.Line
			a.Why = fmt.Sprintf("%s, and %s makes it where its operator runs", n.why, maker.Identity())
		}
		f.out = append(f.out, a)
	}
}

// need is an object that something refers to.
type need struct {
	gitops.Ref
	kind, why string
	keys      map[string]bool
}

func (n *need) object() *unstructured.Unstructured {
	data := map[string]string{}
	for k := range n.keys {
		data[k] = placeholder
		if k == "values.yaml" {
			data[k] = "{}"
		}
	}
	return object(n.kind, n.Namespace, n.Name, data)
}

// references tells of the Secrets and ConfigMaps that an object of Flux refers to, with the keys that it reads.
func (f *finder) references(o *gitops.Object, add func(kind, namespace, name, why string, keys ...string)) {
	group := o.GroupVersionKind().Group
	if !strings.HasSuffix(group, ".toolkit.fluxcd.io") {
		return
	}
	why := o.Identity()
	secret := func(what string, keys []string, path ...string) {
		name, _, _ := unstructured.NestedString(o.Object, append(path, "name")...)
		add("Secret", o.GetNamespace(), name, why+" "+what, keys...)
	}
	if f.repo.Stands(gitops.SourceRef{Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName()}) {
		return // whoever bootstraps Flux gives it what it logs in with, and the rehearsed tree needs no login
	}
	if group == gitops.SourceGroup {
		login := []string{"username", "password"}
		if url, _, _ := unstructured.NestedString(o.Object, "spec", "url"); strings.HasPrefix(url, "ssh://") {
			login = []string{"identity", "identity.pub", "known_hosts"}
		}
		secret("logs in with it", login, "spec", "secretRef")
		secret("trusts it", []string{"ca.crt"}, "spec", "certSecretRef")
		return
	}
	secret("reaches another cluster with it", []string{"value"}, "spec", "kubeConfig", "secretRef")
	list, _, _ := unstructured.NestedSlice(o.Object, "spec", "valuesFrom")
	for _, e := range list {
		m, _ := e.(map[string]any)
		kind, _ := m["kind"].(string)
		name, _ := m["name"].(string)
		if optional, _ := m["optional"].(bool); optional {
			continue
		}
		key, _ := m["valuesKey"].(string)
		if key == "" {
			key = "values.yaml"
		}
		add(kind, o.GetNamespace(), name, why+" takes values from it", key)
	}
}

// misspelt says whether the repo has something in the same namespace that a need is likely meant for: then nobody has
// made by hand what it names.
func (f *finder) misspelt(n *need) bool {
	var names []string
	for _, l := range f.repo.Layers {
		for _, o := range l.Objects {
			if o.GetNamespace() != n.Namespace {
				continue
			}
			if o.GetKind() == n.kind {
				names = append(names, o.GetName())
			}
			if n.kind == "Secret" {
				names = append(names, made(o)...)
			}
		}
	}
	return !slices.Contains(names, n.Name) && spelling.Nearest(n.Name, names) != ""
}

// misplaced says whether the repo has what a need names, but not where it is needed: in another namespace, from where nothing
// mirrors it, or in a file that no layer takes.
func (f *finder) misplaced(n *need) bool {
	if f.maker(n) != nil {
		return false
	}
	for _, d := range f.repo.Documents() {
		if d.GroupKind().Kind == n.kind && d.GroupKind().Group == "" && d.Name() == n.Name && !bootstraps(d.File) && f.ours(d.File) {
			return true
		}
	}
	return false
}

// maker finds the object of the repo that an operator makes a Secret or ConfigMap of: one in its
// namespace that says so in the way of its kind, or that mirrors it from another.
func (f *finder) maker(n *need) *gitops.Object {
	for _, l := range f.repo.Layers {
		for _, o := range l.Objects {
			if o.GetNamespace() == n.Namespace && slices.Contains(made(o), n.Name) || mirrored(o, n) {
				return o
			}
		}
	}
	return nil
}

// made are the names of the Secrets that an operator makes of an object.
func made(o *gitops.Object) []string {
	at := func(path ...string) string {
		s, _, _ := unstructured.NestedString(o.Object, path...)
		return s
	}
	first := func(names ...string) []string { return []string{cmp.Or(names...)} }
	switch o.GetKind() {
	case "ExternalSecret":
		return first(at("spec", "target", "name"), o.GetName())
	case "ClusterExternalSecret":
		return first(at("spec", "externalSecretSpec", "target", "name"), at("spec", "externalSecretName"), o.GetName())
	case "SealedSecret", "OnePasswordItem", "SopsSecret":
		return first(at("spec", "template", "metadata", "name"), o.GetName())
	case "Certificate":
		return first(at("spec", "secretName"))
	case "BitwardenSecret":
		return first(at("spec", "secretName"), o.GetName())
	case "VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret":
		return first(at("spec", "destination", "name"))
	case "InfisicalSecret":
		return first(at("spec", "managedSecretReference", "secretName"))
	case "ObjectBucketClaim":
		return []string{o.GetName()}
	case "SecretTemplate", "Password":
		return []string{o.GetName()}
	}
	return nil
}

// mirrors are the annotations by which controllers copy a Secret or ConfigMap into other namespaces.
var mirrors = []string{
	"reflector.v1.k8s.emberstack.com/reflection-auto-enabled", "reflector.v1.k8s.emberstack.com/reflection-allowed",
	"replicator.v1.mittwald.de/replicate-to", "replicator.v1.mittwald.de/replication-allowed",
	"kubed.appscode.com/sync", "k8s-sync.appscode.com/sync", "config.kubed.appscode.com/sync",
}

// mirrored says whether an object is copied to where something is needed.
func mirrored(o *gitops.Object, n *need) bool {
	if o.GetKind() != n.kind || o.GetName() != n.Name {
		return false
	}
	return slices.ContainsFunc(mirrors, func(a string) bool {
		v, ok := o.GetAnnotations()[a]
		return ok && v != "false"
	})
}
