package prerequisite

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/declaration"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/kinds"
)

// declared takes up what the repo's .seatrial.yaml says is there before Flux.
func (f *finder) declared(p declaration.Prerequisites) {
	for _, m := range p.Manifests {
		for _, d := range f.repo.Documents() {
			if d.GroupKind().Kind == "" || d.Name() == "" || d.File != m && !strings.HasPrefix(d.File, m+"/") && m != "." {
				continue
			}
			u := f.repo.Plain(d)
			id := gitops.Identity(u.GetKind(), u.GetNamespace(), u.GetName())
			f.made[id] = true
			a := Assumption{What: id, Why: "declared in " + declaration.File, Declared: true, File: d.File, Line: d.Line, Objects: []*unstructured.Unstructured{u}}
			if group, _, _ := unstructured.NestedString(u.Object, "spec", "group"); u.GetKind() == "CustomResourceDefinition" {
				a.Groups = []string{group}
			}
			f.out = append(f.out, a)
		}
	}
	for _, k := range p.Kinds {
		group, version, _ := strings.Cut(k.APIVersion, "/")
		crd := kinds.Definition(group, k.Kind, k.Scope != declaration.ClusterWide, version)
		if k.Plural != "" {
			_ = unstructured.SetNestedField(crd.Object, k.Plural, "spec", "names", "plural") // a map is there
			crd.SetName(k.Plural + "." + group)
		}
		f.out = append(f.out, Assumption{
			What: "kind " + k.Kind + " of " + k.APIVersion, Why: "declared in " + declaration.File, Declared: true,
			Groups: []string{group}, Objects: []*unstructured.Unstructured{crd},
		})
	}
}
