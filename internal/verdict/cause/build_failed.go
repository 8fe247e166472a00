package cause

import (
	"seatrial.dev/seatrial/internal/finding"
)

// buildFailed: kustomize can't build the layer.
func buildFailed(f Failure) ([]finding.Finding, bool) {
	if !f.isLayer() || f.reason() != "BuildFailed" {
		return nil, false
	}
	out := f.finding(finding.BuildFailed)
	out.Message, out.Fix = BuildFailed(f.Layer.Path)
	if b := f.Layer.Build; b != nil && b.File != "" {
		out.File, out.Line = b.File, 1
		if b.Parse != nil {
			out.Line = b.Parse.Line
		}
	}
	return one(out)
}

// BuildFailed returns the texts for a path that kustomize can't build.
func BuildFailed(path string) (message, fix string) {
	return "kustomize build of " + path + " fails", "run kustomize build " + path + " and mend what it says"
}
