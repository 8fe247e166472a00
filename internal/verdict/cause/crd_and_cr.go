package cause

import (
	"fmt"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// crdAndCR: objects are in one layer with what installs their kinds. Flux names one of them; the finding is about the
// first one that waits for the same release or package, as that of internal/check is.
func crdAndCR(f Failure) ([]finding.Finding, bool) {
	out, _, apiVersion, found := f.unservedKind(finding.CRDAndCR)
	if !found {
		return nil, false
	}
	provider := f.Layer.Installer(group(apiVersion))
	if provider == nil {
		return nil, false
	}
	var need []*gitops.Object
	for _, o := range f.Layer.Objects {
		if f.Layer.Installer(o.GroupVersionKind().Group) == provider {
			need = append(need, o)
		}
	}
	if len(need) == 0 { // the layer's files do not have what Flux names
		return nil, false
	}
	Locate(&out, f.Layer, func(o *gitops.Object) bool { return o == need[0] })
	out.Message, out.Fix = CRDAndCR(need, provider, f.Layer)
	return one(out)
}

// CRDAndCR returns the texts for objects, at least one, that are in the same layer as the release or package
// that installs their kinds. Flux dry-runs a layer as a whole, so none of the layer is ever applied.
func CRDAndCR(need []*gitops.Object, provider *gitops.Object, l *gitops.Layer) (message, fix string) {
	kind := need[0].GetKind()
	if more := len(need) - 1; more > 0 {
		others := fmt.Sprintf("%d other objects", more)
		if more == 1 {
			others = need[1].Identity()
		}
		return fmt.Sprintf("%s and %s are applied together with %s, which installs their kinds: none of the layer is ever applied", kind, others, provider.Identity()),
			"move them to a later layer that depends on " + l.Name
	}
	return fmt.Sprintf("%s is applied together with %s, which installs its kind: none of the layer is ever applied", kind, provider.Identity()),
		"move the " + kind + " to a later layer that depends on " + l.Name
}
