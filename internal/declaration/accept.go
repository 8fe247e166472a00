package declaration

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"seatrial.dev/seatrial/internal/finding"
)

// Excuse marks the findings that the repo accepts on a day: they are warnings from then on, with the reason. What an
// entry that is over was about counts as ever, and says so. The list that is given is not changed.
//
// Only what is said is accepted so, never what happened: a layer that failed has failed, whoever accepts why.
func (d Declaration) Excuse(found []finding.Finding, today time.Time) []finding.Finding {
	if len(d.Accept) == 0 {
		return found
	}
	out := slices.Clone(found)
	for i := range out {
		f := &out[i]
		if f.Excused() || f.Code.Unacceptable() != "" {
			continue
		}
		var over *Acceptance
		for j := range d.Accept {
			a := &d.Accept[j]
			switch {
			case !a.matches(*f):
			case !a.over(today):
				f.Excuse(strings.TrimSpace(a.Reason), string(a.Until))
			case over == nil:
				over = a
			}
			if f.Excused() {
				break
			}
		}
		if over != nil && !f.Excused() {
			f.Message += fmt.Sprintf(" (it was accepted until %s: %s:%d)", over.Until, File, over.Line)
		}
	}
	return finding.Merge(out, nil) // sorted again: errors first
}

// Stale are warnings about entries that accept nothing of what was found. live says whether a rehearsal found it that
// saw all of the repo: without, only what can be told without a cluster is missed. Whether a file is for the
// right key is told if there is a key, so that is never missed.
func (d Declaration) Stale(found []finding.Finding, live bool) []finding.Finding {
	var out []finding.Finding
	for _, a := range d.Accept {
		if a.Code.Live() && !live || a.Code == finding.SOPSRecipient || slices.ContainsFunc(found, a.matches) {
			continue
		}
		out = append(out, finding.Finding{
			Code: finding.StaleAcceptance, Severity: finding.Warning, Object: a.Object, File: File, Line: a.Line,
			Message: fmt.Sprintf("%s is accepted of it, and nothing of that kind was found", a.Code), Fix: "remove the entry from accept, or mend its object",
		})
	}
	return out
}

// matches says whether the entry is about a finding.
func (a Acceptance) matches(f finding.Finding) bool {
	if a.Code != f.Code || f.Object == "" {
		return false
	}
	ok, err := path.Match(a.Object, f.Object)
	return err == nil && ok
}

// over says whether the entry has ended on a day, which is UTC's.
func (a Acceptance) over(today time.Time) bool {
	return string(a.Until) < today.UTC().Format(time.DateOnly)
}
