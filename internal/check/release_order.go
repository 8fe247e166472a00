package check

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
)

var hostName = regexp.MustCompile(`[a-z0-9]([-a-z0-9]*[a-z0-9])?`)

// releaseOrder finds Helm releases whose values contain the host name of another
// release, such as that of their database, but that do not depend on it.
func releaseOrder(r *gitops.Repo, _ Options) []finding.Finding {
	type release struct {
		layer  *gitops.Layer
		object *gitops.Object
	}
	releases := map[gitops.Ref]release{}
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.GetKind() == "HelmRelease" {
				releases[gitops.Ref{Namespace: o.GetNamespace(), Name: o.GetName()}] = release{l, o}
			}
		}
	}
	var out []finding.Finding
	for ref, rel := range releases {
		waits := map[string]bool{ref.Name: true}
		list, _, _ := unstructured.NestedSlice(rel.object.Object, "spec", "dependsOn")
		for _, d := range list {
			if m, ok := d.(map[string]any); ok {
				waits[fmt.Sprint(m["name"])] = true
			}
		}
		values, _, _ := unstructured.NestedMap(rel.object.Object, "spec", "values")
		found := map[string]bool{}
		walk("", values, func(at string, v any) {
			text, ok := v.(string)
			if !ok || strings.Contains(strings.ToLower(at), "secret") || strings.HasSuffix(at, "fullnameOverride") {
				return
			}
			for _, host := range hostName.FindAllString(text, -1) {
				other, known := releases[gitops.Ref{Namespace: ref.Namespace, Name: host}]
				if known && strings.Contains(host, "-") && !waits[host] && !r.Ancestors(rel.layer)[other.layer.Ref] {
					found[host] = true
				}
			}
		})
		for host := range found {
			f := about(rel.layer, rel.object, finding.MissingDependency)
			f.Severity = finding.Warning
			f.Message = fmt.Sprintf("its values name %s, another release, and it does not wait for that", host)
			f.Fix = "add " + host + " to the dependsOn of the HelmRelease"
			out = append(out, f)
		}
	}
	return out
}
