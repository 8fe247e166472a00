package cause

import (
	"regexp"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

var (
	// encryptedObject is how kustomize-controller names an object that it can't decrypt.
	encryptedObject = regexp.MustCompile(`decrypt and format '([^'/]*)/([^'/]+)'`)
	// quotedObject is any object that it names: the Secret with the keys, for example.
	quotedObject = regexp.MustCompile(`'[^'/]*/[^'/]+'`)
)

// undecryptable starts a finding about the file that a layer can't decrypt.
func (f Failure) undecryptable(code finding.Code) (finding.Finding, bool) {
	if !f.isLayer() || !strings.Contains(f.Message, "failed to decrypt") && !(strings.Contains(f.Message, "sops") && strings.Contains(f.Message, "decrypt")) {
		return finding.Finding{}, false
	}
	out := f.finding(code)
	m := encryptedObject.FindStringSubmatch(f.Message)
	if m == nil && quotedObject.MatchString(f.Message) {
		return out, true // it is about something else than a file
	}
	Locate(&out, f.Layer, func(o *gitops.Object) bool {
		return o.Encrypted && (m == nil || o.GetNamespace() == m[1] && o.GetName() == m[2])
	})
	return out, true
}
