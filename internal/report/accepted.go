package report

import (
	"fmt"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/prose"
)

// status is the layer's status for a person.
func (l Layer) status() string {
	if l.Accepted {
		return string(l.Status) + ", accepted"
	}
	return string(l.Status)
}

// kind is what a finding is for a person: its severity or, if it is accepted, that and what it would be.
func kind(f finding.Finding) string {
	if f.Excused() {
		return "accepted " + string(f.Accepted.Severity)
	}
	return string(f.Severity)
}

// Counts counts findings for a summary.
func Counts(all []finding.Finding) string {
	errs, warnings, accepted := finding.Count(all)
	text := prose.Count(errs, "error") + ", " + prose.Count(warnings, "warning")
	if accepted > 0 {
		text += fmt.Sprintf(", %d accepted", accepted)
	}
	return text
}

// failedAccepted says in a summary how many layers failed and are accepted.
func (r *Report) failedAccepted() string {
	n := 0
	for _, l := range r.Layers {
		if l.Accepted {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d failed, accepted)", n)
}

// accepted are the findings that are accepted.
func accepted(all []finding.Finding) []finding.Finding {
	var out []finding.Finding
	for _, f := range all {
		if f.Excused() {
			out = append(out, f)
		}
	}
	return out
}
