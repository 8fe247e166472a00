package check

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// plainSettings finds passwords in ConfigMaps.
func plainSettings(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.GetKind() != "ConfigMap" || o.Encrypted {
				continue
			}
			data, _, _ := unstructured.NestedMap(o.Object, "data")
			for key, v := range data {
				if plain(r, key, v) {
					f := about(l, o, finding.PlaintextSecret)
					f.Severity = finding.Warning
					f.Message, f.Fix = key+" of a ConfigMap looks like a secret in plain text", "move it to an encrypted Secret"
					out = append(out, f)
				}
			}
		}
	}
	return out
}
