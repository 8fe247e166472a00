package check

import (
	"fmt"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// crdAndCR finds objects that share a layer with the release or package that
// installs their kind. Flux dry-runs a layer as a whole, so one unknown kind
// keeps all of it, the installer included, from ever being applied.
func crdAndCR(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			group := o.GroupVersionKind().Group
			provider := l.Provider(group)
			if provider == nil || provided(r, l, group) {
				continue
			}
			f := about(l, o, finding.CRDAndCR)
			f.Message = fmt.Sprintf("%s is applied together with %s, which installs its kind: none of the layer is ever applied", o.GetKind(), provider.Identity())
			f.Fix = "move the " + o.GetKind() + " to a later layer that depends on " + l.Name
			out = append(out, f)
		}
	}
	return out
}

// provided says whether the kinds of a group are there before the layer is
// built: as CRDs of this very layer, which Flux applies first, or earlier.
func provided(r *gitops.Repo, l *gitops.Layer, group string) bool {
	if l.DefinesGroup(group) {
		return true
	}
	earlier := r.Ancestors(l)
	for p := l; p != nil && p.Ref != gitops.RootLayer && !earlier[p.Parent]; p = r.Layer(p.Parent) {
		earlier[p.Parent] = true // what declares a layer is applied before it
	}
	for _, other := range r.Layers {
		if other != l && other.DefinesGroup(group) {
			return true // where, the rehearsal tells
		}
		if other != l && earlier[other.Ref] && (other.DefinesGroup(group) || other.Provider(group) != nil || other.Foreign || other.Opaque != "") {
			return true
		}
	}
	return false
}

// removedAPIs finds apiVersions that are gone.
func removedAPIs(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			fix, gone := gitops.Removed(o.GetAPIVersion(), o.GetKind())
			if !gone || served(l, o) {
				continue
			}
			f := about(l, o, finding.RemovedAPI)
			f.Message, f.Fix = fmt.Sprintf("%s %s is no longer served", o.GetAPIVersion(), o.GetKind()), fix
			out = append(out, f)
		}
	}
	return out
}

// served says whether the layer brings a CRD that serves the version after all,
// as the Flux components of an older bootstrap do.
func served(l *gitops.Layer, o *gitops.Object) bool {
	return strings.Contains(o.GroupVersionKind().Group, "fluxcd.io") && l.DefinesGroup(o.GroupVersionKind().Group)
}
