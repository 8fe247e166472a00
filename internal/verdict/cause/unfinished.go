package cause

import (
	"cmp"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/prose"
)

// unfinished: the layer neither failed nor reconciled.
func unfinished(f Failure) ([]finding.Finding, bool) {
	if !f.isLayer() {
		return nil, false
	}
	if f.Explained {
		return nil, true
	}
	out := f.finding(finding.NotReconciled)
	out.Message = "the layer did not reconcile: " + cmp.Or(prose.FirstLine(f.Message), "nothing was heard of it")
	out.Fix = "give it more time with --timeout, or look at the objects it waits for"
	return one(out)
}
