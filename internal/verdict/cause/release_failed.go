package cause

import (
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/prose"
)

// releaseFailed: a Helm release does not become ready.
func releaseFailed(f Failure) ([]finding.Finding, bool) {
	if f.Ref.GroupKind != gitops.HelmReleaseKind {
		return nil, false
	}
	out := f.finding(finding.HelmFailed)
	out.Message = "the release does not become ready: " + prose.FirstLine(f.Message)
	out.Fix = "mend the chart's values, or what it needs from earlier layers"
	return one(out)
}
