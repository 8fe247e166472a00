package check

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// tanzu is the packaging global namespace of a Tanzu cluster.
const tanzu = "tkg-system"

// always are the namespaces that each cluster has.
var always = []string{"", "default", "kube-system", "kube-public", "kube-node-lease"}

// missingNamespaces finds namespaces that layers put objects into and that nothing brings. It is a warning, as somebody may
// make them by hand, or an operator; a rehearsal tells.
func missingNamespaces(r *gitops.Repo, o Options) []finding.Finding {
	known := map[string]bool{r.Root.Namespace: true}
	for _, name := range slices.Concat(always, o.Namespaces) {
		known[name] = true
	}
	for _, l := range r.Layers {
		if l.Foreign || l.Opaque != "" {
			return nil // it may bring any
		}
		for _, obj := range l.Objects {
			if obj.GetKind() == "Namespace" {
				known[obj.GetName()] = true
			}
			if obj.GetKind() == "ConfigMap" && obj.GetName() == "cluster-essentials" { // what a generated repo says of its cluster
				global, _, _ := unstructured.NestedString(obj.Object, "data", "packagingGlobalNamespace")
				known[global] = true
			}
			if obj.Is(gitops.PackageInstallKind) {
				known[obj.GetName()] = true // what most packages put themselves into
			}
			if create, _, _ := unstructured.NestedBool(obj.Object, "spec", "install", "createNamespace"); create {
				target, _, _ := unstructured.NestedString(obj.Object, "spec", "targetNamespace")
				known[target] = true
			}
		}
	}
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, obj := range l.Objects {
			name := obj.GetNamespace()
			if known[name] || l.Ref == r.Root && l.Build != nil {
				continue
			}
			known[name] = true // told once
			f := about(l, obj, finding.MissingNamespace)
			f.Severity = finding.Warning
			f.Message, f.Fix = "no layer brings namespace "+name, "add it to a layer that comes before "+l.Title()
			if name == tanzu {
				f.Message += ", which Tanzu clusters have by themselves and others do not"
				f.Fix = "say in .seatrial.yaml (packagingGlobalNamespace) that the cluster has it, or add it to a layer"
			}
			out = append(out, f)
		}
	}
	return out
}
