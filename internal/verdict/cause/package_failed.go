package cause

import (
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/prose"
)

// packageFailed: the package can't be installed for any other reason.
func packageFailed(f Failure) ([]finding.Finding, bool) {
	if !f.isPackage() {
		return nil, false
	}
	out := f.finding(finding.PackageFailed)
	out.Message = "the package does not install: " + prose.LastLine(f.Message)
	out.Fix = "see the evidence; its values and what earlier layers provide are the usual causes"
	return one(out)
}

// isPackage says whether a PackageInstall or App failed.
func (f Failure) isPackage() bool {
	return f.Ref.GroupKind == gitops.PackageInstallKind || f.Ref.GroupKind == gitops.AppKind
}
