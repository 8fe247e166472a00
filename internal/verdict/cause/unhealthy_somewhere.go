package cause

import (
	"seatrial.dev/seatrial/internal/finding"
)

// unhealthySomewhere: the layer waits for an object that its message does not name.
func unhealthySomewhere(f Failure) ([]finding.Finding, bool) {
	if !f.isLayer() || f.reason() != "HealthCheckFailed" {
		return nil, false
	}
	if f.Explained {
		return nil, true
	}
	out := f.finding(finding.HealthCheckFailed)
	out.Message = "an object that the layer waits for did not become ready"
	return one(out)
}
