package cause

import (
	"fmt"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// crdAndCR: an object is in one layer with what installs its kind.
func crdAndCR(f Failure) ([]finding.Finding, bool) {
	out, kind, apiVersion, found := f.unservedKind(finding.CRDAndCR)
	if !found {
		return nil, false
	}
	provider := f.Layer.Installer(group(apiVersion))
	if provider == nil {
		return nil, false
	}
	out.Message, out.Fix = CRDAndCR(kind, provider, f.Layer)
	return one(out)
}

// CRDAndCR returns the texts for an object that is in the same layer as the release or package
// that installs its kind. Flux dry-runs a layer as a whole, so none of the layer is ever applied.
func CRDAndCR(kind string, provider *gitops.Object, l *gitops.Layer) (message, fix string) {
	return fmt.Sprintf("%s is applied together with %s, which installs its kind: none of the layer is ever applied", kind, provider.Identity()),
		"move the " + kind + " to a later layer that depends on " + l.Name
}
