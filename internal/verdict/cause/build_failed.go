package cause

import (
	"cmp"
	"fmt"
	"path"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// buildFailed: kustomize can't build the layer.
func buildFailed(f Failure) ([]finding.Finding, bool) {
	if !f.isLayer() || f.reason() != "BuildFailed" {
		return nil, false
	}
	if f.Layer.Build != nil && f.Layer.Build.NoPath { // where a file has the folder's name
		out := f.finding(finding.PathNotFound)
		out.Message, out.Fix = PathNotFound(f.Layer.Path, f.Layer.Build)
		return one(out)
	}
	out := f.finding(finding.BuildFailed)
	out.Message, out.Fix = BuildFailed(f.Layer.Path, f.Layer.Build)
	if b := f.Layer.Build; b != nil && b.File != "" {
		out.File, out.Line = b.File, 1
		if b.Line > 0 {
			out.Line = b.Line
		}
		if b.Parse != nil {
			out.Line = b.Parse.Line
		}
	}
	return one(out)
}

// BuildFailed returns the texts for a path that kustomize can't build. why may be nil.
func BuildFailed(dir string, why *gitops.BuildError) (message, fix string) {
	message, fix = "kustomize build of "+cmp.Or(dir, ".")+" fails", "run kustomize build "+cmp.Or(dir, ".")+" and mend what it says"
	switch {
	case why == nil:
	case why.Link != "":
		message += fmt.Sprintf(": %s is a symbolic link, and Flux leaves symbolic links out of what it takes from a repo", why.Link)
		fix = linkFix(why)
	case why.Variable != "":
		message = fmt.Sprintf("nothing gives the variable %s a value, and post-build substitution is strict", why.Variable)
		fix = fmt.Sprintf("add %s to postBuild of the Kustomization, give it a default (${%s:=…}), or write $${%s} where it is none of Flux's", why.Variable, why.Variable, why.Variable)
	}
	return message, fix
}

// linkFix says how to do without a symbolic link.
func linkFix(why *gitops.BuildError) string {
	if why.LinksTo == "" {
		return "put what the link leads to in its place"
	}
	target := why.LinksTo
	if !path.IsAbs(target) {
		target = path.Join(path.Dir(why.Link), target)
	}
	return fmt.Sprintf("use %s in its place, which the link leads to: as the path, or as a resource of a kustomization.yaml", target)
}
