package check

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

// plain says whether a value looks like a secret in plain text, by its key and its form.
func plain(r *gitops.Repo, key string, v any) bool {
	text, ok := v.(string)
	return ok && len(text) >= 6 && secretName.MatchString(key) && !secretWhere.MatchString(key) &&
		!strings.Contains(text, "${") && !strings.HasPrefix(text, "$__") && !namesSecret(r, text)
}

// plainValues finds passwords among the values of Helm releases.
func plainValues(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.GroupVersionKind().Group != "helm.toolkit.fluxcd.io" || o.Encrypted {
				continue
			}
			values, _, _ := unstructured.NestedMap(o.Object, "spec", "values")
			walk("", values, func(at string, v any) {
				key := at[strings.LastIndexByte(at, '.')+1:]
				if !plain(r, key, v) {
					return
				}
				f := about(l, o, finding.PlaintextSecret)
				f.Severity = finding.Warning
				f.Message, f.Fix = fmt.Sprintf("the value %s looks like a secret in plain text", at), "put it into an encrypted Secret, and refer to that by valuesFrom or the chart's own key"
				out = append(out, f)
			})
		}
	}
	return out
}

// namesSecret says whether a value is only the name of a Secret.
func namesSecret(r *gitops.Repo, name string) bool {
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.GetKind() == "Secret" && o.GetName() == name {
				return true
			}
		}
	}
	return false
}

// walk visits every leaf of decoded values by its path.
func walk(at string, v any, visit func(at string, v any)) {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			walk(strings.TrimPrefix(at+"."+key, "."), inner, visit)
		}
	case []any:
		for _, inner := range v {
			walk(at, inner, visit)
		}
	default:
		visit(at, v)
	}
}
