package check

import (
	"fmt"
	"slices"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// unordered finds layers that need a kind or a namespace which another layer
// brings, and do not wait for that. Flux tries again until it works, so this is
// a warning: it costs minutes on a fresh cluster, and fails where tries run out.
func unordered(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	namespaces := map[string]*gitops.Layer{} // the first layer that brings each namespace
	for _, l := range r.Layers {
		if l.Build != nil {
			continue // it never applies anything
		}
		for _, o := range l.Objects {
			// Flux's own namespace is there before any layer, whichever of them has it.
			if o.GetKind() == "Namespace" && o.GetName() != r.Root.Namespace && namespaces[o.GetName()] == nil {
				namespaces[o.GetName()] = l
			}
		}
	}
	for _, l := range r.Layers {
		if l.Ref == r.Root || slices.ContainsFunc(l.DependsOn, func(d gitops.Dependency) bool { return r.Layer(d.Ref) == nil }) {
			continue // the dangling dependsOn may be meant for the very layer that is missing
		}
		earlier := r.Ancestors(l)
		earlier[l.Ref] = true
		for p := l.Parent; p.Name != ""; {
			earlier[p] = true
			parent := r.Layer(p)
			if parent == nil || parent.Parent == p {
				break
			}
			p = parent.Parent
		}
		said, asked := map[gitops.Ref]bool{}, map[string]bool{}
		say := func(o *gitops.Object, brings *gitops.Layer, what string) {
			if said[brings.Ref] {
				return
			}
			said[brings.Ref] = true
			f := about(l, o, finding.MissingDependency)
			f.Severity = finding.Warning
			f.Message = fmt.Sprintf("it needs %s, which layer %s brings, and layer %s does not depend on that", what, brings.Title(), l.Title())
			f.Fix = "add " + brings.Title() + " to the dependsOn of " + l.Title()
			out = append(out, f)
		}
		for _, o := range l.Objects {
			if brings := namespaces[o.GetNamespace()]; brings != nil && !earlier[brings.Ref] && !bringsNamespace(l, o.GetNamespace()) {
				say(o, brings, "namespace "+o.GetNamespace())
			}
			group := o.GroupVersionKind().Group
			if asked[group] {
				continue
			}
			asked[group] = true
			i := slices.IndexFunc(r.Layers, func(other *gitops.Layer) bool {
				return !earlier[other.Ref] && other.Build == nil && other.Installer(group) != nil
			})
			if i >= 0 && !early(r, l, group) {
				say(o, r.Layers[i], "the kinds of "+group)
			}
		}
	}
	return out
}

func bringsNamespace(l *gitops.Layer, name string) bool {
	return slices.ContainsFunc(l.Objects, func(o *gitops.Object) bool { return o.GetKind() == "Namespace" && o.GetName() == name })
}
