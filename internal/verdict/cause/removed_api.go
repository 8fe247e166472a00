package cause

import (
	"fmt"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// removedAPI: an object's apiVersion is one that Kubernetes or Flux no longer serves.
func removedAPI(f Failure) ([]finding.Finding, bool) {
	out, kind, apiVersion, found := f.unservedKind(finding.RemovedAPI)
	if !found {
		return nil, false
	}
	successor, removed := gitops.Removed(apiVersion, kind)
	if !removed {
		return nil, false
	}
	out.Message, out.Fix = RemovedAPI(apiVersion, kind), successor
	return one(out)
}

// RemovedAPI returns the text for an apiVersion that is no longer served.
func RemovedAPI(apiVersion, kind string) (message string) {
	return fmt.Sprintf("%s %s is no longer served", apiVersion, kind)
}
