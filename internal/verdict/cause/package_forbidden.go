package cause

import (
	"fmt"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
)

// packageForbidden: the package's service account may not do what the package needs.
func packageForbidden(f Failure) ([]finding.Finding, bool) {
	if !f.isPackage() || !strings.Contains(f.Message, "forbidden") {
		return nil, false
	}
	out := f.finding(finding.PackageRBAC)
	out.Message = fmt.Sprintf("the package's service account %s may not do what the package needs", f.account())
	out.Fix = "grant the verbs that the evidence names to ServiceAccount " + f.account()
	return one(out)
}
