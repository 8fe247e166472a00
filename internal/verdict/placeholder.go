package verdict

import (
	"fmt"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/placeholder"
	"seatrial.dev/seatrial/internal/prose"
)

// Placeheld tells the judge which values were placeholders: what refuses one says nothing of the repo.
func (j *Judge) Placeheld(made *placeholder.Set) { j.placeholders = made }

// unblamed takes the errors that a placeholder caused out of findings, and tells of them as blind spots.
// Findings about keys stay: placeholders have nothing to do with them.
func (j *Judge) unblamed(all []finding.Finding) (kept, refused []finding.Finding, spots []finding.BlindSpot) {
	for _, f := range all {
		m, blamed := placeholder.Made{}, false
		if f.Severity == finding.Error && !aboutKeys(f.Code) {
			m, blamed = j.placeholders.Blamed(f.Object, f.Message+"\n"+f.Evidence)
		}
		if !blamed {
			kept = append(kept, f)
			continue
		}
		where := m.Name
		if m.File != "" {
			where = fmt.Sprintf("%s of %s", m.Name, m.File)
		}
		said := f.Evidence
		if said == "" {
			said = f.Message
		}
		refused = append(refused, f)
		spots = append(spots, finding.Unseen(finding.PlaceholderRefused,
			"%s in layer %s was not rehearsed: it does not take the placeholder for %s, which no key was given for (--age-key, --pgp-key): %s", f.Object, f.Layer, where, prose.FirstLine(said)))
	}
	return kept, refused, spots
}

// aboutKeys says whether a finding is about encryption itself.
func aboutKeys(code finding.Code) bool {
	switch code {
	case finding.SOPSRecipient, finding.SOPSNoDecryption, finding.PlaintextSecret, finding.DecryptFailed, finding.SOPSChanged:
		return true
	}
	return false
}

// unrehearsed marks the layers that failed for nothing but placeholders.
func unrehearsed(layers []*Layer, refused, kept []finding.Finding) {
	for _, l := range layers {
		if l.Status == StatusFail && erring(refused, l.Title()) && !erring(kept, l.Title()) {
			l.Status = NotRehearsed
		}
	}
}

func erring(all []finding.Finding, layer string) bool {
	for _, f := range all {
		if f.Layer == layer && f.Severity == finding.Error {
			return true
		}
	}
	return false
}
