package cause

import (
	"fmt"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// pathNotFound: the layer's path is not in its source's artifact.
func pathNotFound(f Failure) ([]finding.Finding, bool) {
	if !f.isLayer() || f.reason() != "ArtifactFailed" || !strings.Contains(f.Message, "path not found") {
		return nil, false
	}
	out := f.finding(finding.PathNotFound)
	out.Message, out.Fix = PathNotFound(f.Layer.Path, f.Layer.Build)
	return one(out)
}

// PathNotFound returns the texts for a layer whose path does not exist. why may be nil.
func PathNotFound(path string, why *gitops.BuildError) (message, fix string) {
	if why != nil && why.Link != "" {
		message = fmt.Sprintf("its path %q is reached by the symbolic link %s, and Flux leaves symbolic links out of what it takes from a repo", path, why.Link)
		return message, linkFix(why)
	}
	return fmt.Sprintf("its path %q is not in the repo", path), "set spec.path to a folder of the repo"
}
