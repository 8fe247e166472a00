package cause

import (
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/prose"
)

// sourceFailed: a source of Flux or Carvel can't be fetched.
func sourceFailed(f Failure) ([]finding.Finding, bool) {
	if f.Ref.Group != gitops.PackageRepositoryKind.Group && f.Ref.Group != gitops.SourceGroup {
		return nil, false
	}
	out := f.finding(finding.SourceFailed)
	out.Message, out.Fix = "it can't be fetched: "+prose.LastLine(f.Message), "check its address, version and credentials"
	return one(out)
}
