package check

import (
	"fmt"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/spelling"
)

// dangling finds dependsOn entries that name nothing.
func dangling(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, d := range l.DependsOn {
			if r.Layer(d.Ref) != nil {
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
			if r.Opaque() && !strings.HasPrefix(f.Fix, "did you mean") && !strings.HasPrefix(f.Fix, "the layer is in") {
				continue // a layer that is not known here may bring it
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
		if l.Ref != except.Ref && l.Ref != r.Root {
			out = append(out, l.Name)
		}
	}
	return out
}
