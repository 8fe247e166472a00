package check

import (
	"fmt"
	"slices"
	"strings"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// recipients finds files that are encrypted for others than .sops.yaml says,
// or that the given key can't read.
func recipients(r *gitops.Repo, o Options) []finding.Finding {
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, obj := range l.Objects {
			if !obj.Encrypted || len(obj.Recipients) == 0 {
				continue // another key service than age: not ours to judge
			}
			f := about(l, obj, finding.SOPSRecipient)
			want, ruled := r.RecipientsFor(obj.File)
			switch {
			case len(o.KeyRecipients) > 0 && !overlap(obj.Recipients, o.KeyRecipients):
				f.Message = "the file is encrypted for another key than the given one: its recipients are " + strings.Join(obj.Recipients, ", ")
			case ruled && len(want) > 0 && !overlap(obj.Recipients, want):
				f.Message = fmt.Sprintf("the file is encrypted for %s, but .sops.yaml names %s", strings.Join(obj.Recipients, ", "), strings.Join(want, ", "))
			default:
				continue
			}
			f.Fix = "run sops updatekeys " + obj.File + " with a key that can read it, or encrypt it again"
			out = append(out, f)
		}
	}
	return out
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
