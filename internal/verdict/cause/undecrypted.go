package cause

import (
	"seatrial.dev/seatrial/internal/finding"
)

// undecrypted: a file can't be decrypted for any other reason.
func undecrypted(f Failure) ([]finding.Finding, bool) {
	out, found := f.undecryptable(finding.DecryptFailed)
	if !found {
		return nil, false
	}
	out.Message = "an encrypted file can't be decrypted"
	out.Fix = "see what SOPS says; sops updatekeys re-encrypts a file for the recipients in .sops.yaml"
	return one(out)
}
