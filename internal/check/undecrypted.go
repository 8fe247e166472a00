package check

import (
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// undecrypted finds encrypted files in layers that apply them without decrypting them.
func undecrypted(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if !o.Encrypted || l.Decrypts || l.Foreign || l.Ref == r.Root && l.File == "" {
				continue
			}
			f := about(l, o, finding.SOPSNoDecryption)
			f.Message = "the file is encrypted, but layer " + l.Title() + " has no decryption"
			f.Fix = "add decryption: {provider: sops, secretRef: {name: sops-age}} to Kustomization " + l.Name
			out = append(out, f)
		}
	}
	return out
}
