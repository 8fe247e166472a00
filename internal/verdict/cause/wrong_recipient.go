package cause

import (
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
)

// noIdentity are the messages of SOPS and age if none of their keys opens a file.
var noIdentity = []string{"no identity matched", "did not match any of the recipients", "0 successful groups required", "cannot get sops data key"}

// wrongRecipient: a file is encrypted for another key than the layer's.
func wrongRecipient(f Failure) ([]finding.Finding, bool) {
	out, found := f.undecryptable(finding.SOPSRecipient)
	if !found || !slices.ContainsFunc(noIdentity, func(s string) bool { return strings.Contains(f.Message, s) }) {
		return nil, false
	}
	out.Message = "the file is encrypted for another key than the cluster has"
	out.Fix = "run sops updatekeys on the file with a key that can read it, or give the key it was encrypted for"
	return one(out)
}
