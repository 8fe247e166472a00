package cause

import (
	"strings"

	"seatrial.dev/seatrial/internal/finding"
)

// packageVersion: no package of the requested name and version is available.
func packageVersion(f Failure) ([]finding.Finding, bool) {
	if !f.isPackage() || !strings.Contains(f.Message, "Expected to find at least one version") {
		return nil, false
	}
	out := f.finding(finding.PackageFailed)
	out.Message = "no package of that name and version is visible in its namespace"
	out.Fix = "check refName and constraints, and that the PackageRepository is in the packaging global namespace"
	return one(out)
}
