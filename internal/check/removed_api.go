package check

import (
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/verdict/cause"
)

// removedAPIs finds objects whose apiVersion Kubernetes or Flux no longer serves.
func removedAPIs(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			fix, gone := gitops.Removed(o.GetAPIVersion(), o.GetKind())
			if !gone || served(l, o) {
				continue
			}
			f := about(l, o, finding.RemovedAPI)
			f.Message, f.Fix = cause.RemovedAPI(o.GetAPIVersion(), o.GetKind()), fix
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
