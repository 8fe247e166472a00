package check

import (
	"fmt"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/spelling"
)

// sources finds releases whose chart comes from a source that no layer brings. That is
// an error if a source of a similar name exists, which makes a typing error likely.
// Otherwise it is a warning, as somebody may have made the source by hand.
func sources(r *gitops.Repo, _ Options) []finding.Finding {
	if r.Opaque() {
		return nil
	}
	var out []finding.Finding
	for _, u := range r.Uses() {
		if !u.Is(gitops.HelmReleaseKind) || u.ChartRef || len(r.SourcesOf(u)) > 0 {
			continue
		}
		for _, ref := range u.Refs {
			if r.Stands(ref) {
				continue // it is the repo itself, whoever makes it
			}
			if strings.Contains(ref.Name, "$") || strings.Contains(ref.Namespace, "$") && ref.Namespace != u.GetNamespace() {
				continue // its name comes with a substitution
			}
			f := about(u.Layer, u.Object, finding.DanglingSource)
			f.Severity = finding.Warning
			f.Message, f.Fix = fmt.Sprintf("its chart comes from %s, which no layer brings", ref.Identity()), "add the source in an earlier layer"
			if near := spelling.Nearest(ref.Name, sourcesBeside(r, ref)); near != "" {
				f.Severity, f.Fix = finding.Error, "did you mean "+near+"?"
			}
			out = append(out, f)
		}
	}
	return out
}

// sourcesBeside returns the names of the repo's sources that have the kind and the
// namespace of a reference.
func sourcesBeside(r *gitops.Repo, ref gitops.SourceRef) []string {
	var out []string
	for _, s := range r.Sources() {
		if other := s.Ref(); other.Kind == ref.Kind && other.Namespace == ref.Namespace {
			out = append(out, other.Name)
		}
	}
	return out
}
