package check

import (
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// archives finds packed charts that Helm refuses to unpack, as they hold more than 100 MiB.
func archives(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	for _, a := range r.Archives() {
		if a.TooMuch {
			out = append(out, finding.Finding{
				Code: finding.TooLarge, Severity: finding.Error, File: a.File, Line: 1,
				Message: "the packed chart holds more than 100 MiB: Helm does not unpack it", Fix: "take it from a chart repository, or leave out what is no part of the chart",
			})
		}
	}
	return out
}
