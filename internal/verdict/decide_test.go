package verdict

import (
	"testing"

	"seatrial.dev/seatrial/internal/finding"
)

func TestUnreachedSourcesAreInconclusive(t *testing.T) {
	lookup := finding.Finding{Code: finding.SourceFailed, Severity: finding.Error, Evidence: "dial tcp: lookup charts.example.com: no such host"}
	if !unreached([]finding.Finding{lookup}) {
		t.Error("a source that can't be reached says nothing against the repo")
	}
	if unreached([]finding.Finding{lookup, {Code: finding.ApplyFailed, Severity: finding.Error}}) || unreached(nil) {
		t.Error("another error does")
	}
}
