package cause

import (
	"strings"

	"seatrial.dev/seatrial/internal/finding"
)

// namespaceMissing: an object's namespace does not exist.
func namespaceMissing(f Failure) ([]finding.Finding, bool) {
	out, namespace, found := f.refusedObject()
	if !found || !strings.Contains(f.Message, "namespaces \""+namespace+"\" not found") {
		return nil, false
	}
	out.Message, out.Fix = "namespace "+namespace+" does not exist", "create it in an earlier layer"
	return one(out)
}
