package verdict

import (
	"slices"

	"seatrial.dev/seatrial/internal/finding"
)

// Excuse has f mark what the repo accepts among the findings before the verdict is given.
//
// To accept a finding is to say: this is known. It makes no layer reconcile. So a layer that failed stays failed, and
// is told as failed and accepted if that is so of each of its errors; what waits for such a layer was not rehearsed, and
// keeps the repo from passing; and a repo that passes only since errors are accepted has a verdict of its
// own, which nobody takes for a pass who does not know it.
func (j *Judge) Excuse(f func([]finding.Finding) []finding.Finding) { j.excuse = f }

func (j *Judge) excused(all []finding.Finding) []finding.Finding {
	if j.excuse == nil {
		return all
	}
	return j.excuse(all)
}

// accepted says whether a layer failed and the repo accepts each error that is told of it, one at least that makes a
// layer fail: Secrets in plain text and undecrypted ones are applied all the same.
func accepted(status Status, about []finding.Finding) bool {
	return status == StatusFail && finding.Errors(about) == 0 && slices.ContainsFunc(finding.ExcusedErrors(about), func(f finding.Finding) bool {
		return f.Code != finding.PlaintextSecret && f.Code != finding.SOPSNoDecryption
	})
}

// notAll says that not every layer reconciled, where no error says so.
func notAll(layers []Outcome) finding.Finding {
	f := finding.Finding{
		Code: finding.NotReconciled, Severity: finding.Error, Message: "not every layer reconciled: see the layers' messages",
		Fix: "resume or remove what is suspended, and what depends on it",
	}
	if slices.ContainsFunc(layers, func(o Outcome) bool { return o.Accepted }) {
		f.Message = "not every layer reconciled, and only failures are accepted: what waits for a layer that failed was not rehearsed, see the layers' messages"
		f.Fix = "mend what fails, or have nothing depend on it"
	}
	return f
}
