package cause

import (
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/prose"
)

// notCurrent: an object is not current, and no cause before this one knows why.
func notCurrent(f Failure) ([]finding.Finding, bool) {
	out := f.finding(finding.NotCurrent)
	out.Message = "the object is not current: " + prose.FirstLine(f.Message)
	return one(out)
}
