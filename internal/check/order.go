package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/spelling"
	"seatrial.dev/seatrial/internal/verdict"
)

// cycles finds layers that wait for each other for ever.
func cycles(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	for _, circle := range r.Cycles() {
		for i, l := range circle {
			next := circle[(i+1)%len(circle)]
			f := on(l, finding.DependencyCycle)
			for _, d := range l.DependsOn {
				if d.Ref == next.Ref {
					f.Line = d.Line
				}
			}
			f.Message = "dependsOn goes round in a circle: " + verdict.Circle(circle)
			f.Fix = "remove one dependsOn of the circle"
			out = append(out, f)
		}
	}
	return out
}

// dangling finds dependsOn entries that name nothing.
func dangling(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, d := range l.DependsOn {
			if r.Layer(d.Ref) != nil || r.Opaque() {
				continue
			}
			f := on(l, finding.DanglingDepends)
			f.Line = d.Line
			f.Message = fmt.Sprintf("it depends on %s, and no layer has that name", d.Ref)
			f.Fix = "name one of " + strings.Join(names(r, l), ", ")
			if near := spelling.Nearest(d.Name, names(r, l)); near != "" {
				f.Fix = "did you mean " + near + "?"
			}
			if other := elsewhere(r, d.Ref); other != "" {
				f.Fix = "the layer is in namespace " + other + ": set namespace in dependsOn"
			}
			out = append(out, f)
		}
	}
	return out
}

// sources finds releases whose chart comes from a source that no layer brings.
// It is an error if another's name is near, and a warning else: somebody may
// have made the source by hand.
func sources(r *gitops.Repo, _ Options) []finding.Finding {
	known := map[string][]string{} // names by kind and namespace
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.GroupVersionKind().Group == "source.toolkit.fluxcd.io" {
				at := gitops.Identity(o.GetKind(), o.GetNamespace(), "")
				known[at] = append(known[at], o.GetName())
			}
		}
	}
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.GetKind() != "HelmRelease" || r.Opaque() {
				continue
			}
			ref, found, _ := unstructured.NestedStringMap(o.Object, "spec", "chart", "spec", "sourceRef")
			if !found || strings.Contains(ref["name"]+ref["namespace"], "$") {
				continue
			}
			at := gitops.Identity(ref["kind"], cmp.Or(ref["namespace"], o.GetNamespace()), "")
			if slices.Contains(known[at], ref["name"]) {
				continue
			}
			f := about(l, o, finding.DanglingSource)
			f.Severity = finding.Warning
			f.Message, f.Fix = fmt.Sprintf("its chart comes from %s%s, which no layer brings", at, ref["name"]), "add the source in an earlier layer"
			if near := spelling.Nearest(ref["name"], known[at]); near != "" {
				f.Severity, f.Fix = finding.Error, "did you mean "+near+"?"
			}
			out = append(out, f)
		}
	}
	return out
}

func elsewhere(r *gitops.Repo, ref gitops.Ref) string {
	for _, l := range r.Layers {
		if l.Name == ref.Name && l.Namespace != ref.Namespace {
			return l.Namespace
		}
	}
	return ""
}

func names(r *gitops.Repo, except *gitops.Layer) []string {
	var out []string
	for _, l := range r.Layers {
		if l.Ref != except.Ref && l.Ref != gitops.RootLayer {
			out = append(out, l.Name)
		}
	}
	return out
}
