package check

import (
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/verdict/cause"
)

// buildable finds layers that kustomize can't build.
func buildable(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	for _, l := range r.Layers {
		e := l.Build
		if e == nil {
			continue
		}
		f := on(l, finding.BuildFailed)
		switch {
		case e.NoPath:
			f.Code = finding.PathNotFound
			f.Message, f.Fix = cause.PathNotFound(l.Path, e)
		case e.Parse != nil && e.Parse.Limit:
			f.Code, f.File, f.Line = finding.TooLarge, e.Parse.File, e.Parse.Line
			f.Message, f.Fix = "the file is more than can be read: "+e.Parse.Message, "split the file, or keep it out of the layer's kustomization"
		case e.Limit:
			f.Code = finding.TooLarge
			if e.File != "" {
				f.File, f.Line = e.File, 1
			}
			f.Message, f.Fix = e.Message, "split the layer into several Kustomizations"
		case e.Parse != nil:
			f.Code, f.File, f.Line = finding.YAMLInvalid, e.Parse.File, e.Parse.Line
			f.Message, f.Fix = "the file is not YAML: "+e.Parse.Message, "mend the file, or keep it out of the layer's kustomization"
		default:
			f.File, f.Line = e.File, max(e.Line, 1)
			f.Evidence = e.Message
			f.Message, f.Fix = cause.BuildFailed(l.Path, e)
		}
		out = append(out, f)
	}
	return out
}
