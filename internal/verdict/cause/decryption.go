package cause

import (
	"regexp"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// encryptedObject is how kustomize-controller names an object that it can't decrypt.
var encryptedObject = regexp.MustCompile(`decrypt and format '([^'/]+)/([^'/]+)'`)

// noIdentity are what SOPS and age say if no key that they have opens a file.
var noIdentity = []string{"no identity matched", "did not match any of the recipients", "0 successful groups required", "cannot get sops data key"}

// undecryptable starts a finding about the file that a layer can't decrypt.
func (f Failure) undecryptable(code finding.Code) (finding.Finding, bool) {
	if !f.isLayer() || !strings.Contains(f.Message, "failed to decrypt") && !(strings.Contains(f.Message, "sops") && strings.Contains(f.Message, "decrypt")) {
		return finding.Finding{}, false
	}
	out := f.finding(code)
	m := encryptedObject.FindStringSubmatch(f.Message)
	Locate(&out, f.Layer, func(o *gitops.Object) bool {
		return o.Encrypted && (m == nil || o.GetNamespace() == m[1] && o.GetName() == m[2])
	})
	return out, true
}

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
