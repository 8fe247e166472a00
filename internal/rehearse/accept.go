package rehearse

import (
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/verdict"
)

// excuse marks the findings that the repo accepts today.
func (r *rehearsal) excuse(found []finding.Finding) []finding.Finding {
	return r.Declares.Excuse(found, r.Today)
}

// stale are warnings about what the repo accepts to no purpose. Of a rehearsal that did not pass it is not known
// what else would have been found.
func (r *rehearsal) stale(d verdict.Decision) []finding.Finding {
	if !r.Whole {
		return nil
	}
	return r.Declares.Stale(d.Findings, d.Verdict == verdict.Pass || d.Verdict == verdict.PassAccepted)
}
