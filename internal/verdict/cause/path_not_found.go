package cause

import (
	"fmt"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
)

// pathNotFound: the layer's path is not in its source's artifact.
func pathNotFound(f Failure) ([]finding.Finding, bool) {
	if !f.isLayer() || f.reason() != "ArtifactFailed" || !strings.Contains(f.Message, "path not found") {
		return nil, false
	}
	out := f.finding(finding.PathNotFound)
	out.Message, out.Fix = PathNotFound(f.Layer.Path)
	return one(out)
}

// PathNotFound returns the texts for a layer whose path does not exist.
func PathNotFound(path string) (message, fix string) {
	return fmt.Sprintf("its path %q is not in the repo", path), "set spec.path to a folder of the repo"
}
