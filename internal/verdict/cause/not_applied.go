package cause

import (
	"seatrial.dev/seatrial/internal/finding"
)

// notApplied: the layer failed, and none of the causes before this one recognises why.
func notApplied(f Failure) ([]finding.Finding, bool) {
	if !f.isLayer() || f.Open {
		return nil, false
	}
	if f.Explained {
		return nil, true
	}
	out := f.finding(finding.ApplyFailed)
	out.Message = "the layer can't be applied"
	return one(out)
}
