package check

import (
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/verdict/cause"
)

// crdAndCR finds objects that share a layer with the release or package that
// installs their kind. Flux dry-runs a layer as a whole, so one unknown kind
// keeps all of it, the installer included, from ever being applied.
func crdAndCR(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			group := o.GroupVersionKind().Group
			provider := l.Installer(group)
			if provider == nil || provided(r, l, group) {
				continue
			}
			f := about(l, o, finding.CRDAndCR)
			f.Message, f.Fix = cause.CRDAndCR(o.GetKind(), provider, l)
			out = append(out, f)
		}
	}
	return out
}

// provided says whether the kinds of an API group exist before the layer is applied: by
// a CRD of this very layer, which Flux applies first, or by an earlier layer.
func provided(r *gitops.Repo, l *gitops.Layer, group string) bool {
	if l.DefinesGroup(group) {
		return true
	}
	earlier := r.Ancestors(l)
	for p := l; p != nil && p.Ref != gitops.RootLayer && !earlier[p.Parent]; p = r.Layer(p.Parent) {
		earlier[p.Parent] = true // the layer that declares another one is applied before it
	}
	for _, other := range r.Layers {
		if other != l && other.DefinesGroup(group) {
			return true // only a rehearsal can tell whether that layer comes early enough
		}
		if other != l && earlier[other.Ref] && (other.Installer(group) != nil || other.Foreign || other.Opaque != "") {
			return true
		}
	}
	return false
}
