package cause

import (
	"seatrial.dev/seatrial/internal/finding"
)

// noArtifact: the layer's source has no artifact.
func noArtifact(f Failure) ([]finding.Finding, bool) {
	if !f.isLayer() || f.reason() != "ArtifactFailed" {
		return nil, false
	}
	out := f.finding(finding.SourceFailed)
	out.Message = "the layer's source has no artifact"
	return one(out)
}
