package check

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/spelling"
)

// misspeltValues finds values of HelmReleases that the catalogue's chart is not known to
// read, but that are spelt like one that it reads: Helm ignores unknown values silently.
func misspeltValues(r *gitops.Repo, _ Options) []finding.Finding {
	c, err := catalogue.Load()
	if err != nil {
		return nil // a defect of the program, which its tests find
	}
	var out []finding.Finding
	for _, u := range r.Uses() {
		from := r.SourcesOf(u)
		if !u.Is(gitops.HelmReleaseKind) || len(from) == 0 {
			continue
		}
		i := slices.IndexFunc(c.Services, func(s *catalogue.Service) bool {
			return s.Chart != nil && s.Chart.Name == u.Chart && gitops.SameURL(s.Chart.URL, from[0].URL)
		})
		if i < 0 {
			continue
		}
		values, _, _ := unstructured.NestedMap(u.Object.Object, "spec", "values")
		out = append(out, misspelt(u.Layer, u.Object, c.Services[i].KnownValues(), values, "")...)
	}
	return out
}

func misspelt(l *gitops.Layer, o *gitops.Object, known, values map[string]any, at string) []finding.Finding {
	var out []finding.Finding
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	for key, v := range values {
		inner, ok := known[key]
		if ok {
			next, isMap := v.(map[string]any)
			if knownMap, both := inner.(map[string]any); isMap && both {
				out = append(out, misspelt(l, o, knownMap, next, at+key+".")...)
			}
			continue
		}
		near := spelling.Nearest(key, names)
		if _, written := values[near]; near == "" || len(key) < 5 || written {
			continue
		}
		f := about(l, o, finding.UnknownValue)
		f.Severity = finding.Warning
		f.Message = fmt.Sprintf("the chart is not known to read %s%s", at, key)
		f.Fix = fmt.Sprintf("did you mean %s%s?", at, near)
		out = append(out, f)
	}
	return out
}
