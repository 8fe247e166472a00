package rehearse

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/kube"
	"seatrial.dev/seatrial/internal/report"
)

// sourcesOf are the sources that were fetched from where the repo says, at what they were then. ours
// are the addresses that the rehearsal serves itself.
func sourcesOf(ctx context.Context, c *kube.Client, ours []string) ([]report.Source, error) {
	var out []report.Source
	for _, kind := range []string{"GitRepository", "OCIRepository"} {
		m, err := c.Mapping(schema.GroupKind{Group: "source.toolkit.fluxcd.io", Kind: kind}, "")
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list, err := c.Dynamic.Resource(m.Resource).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		for _, u := range list.Items {
			text := func(keys ...string) string { s, _, _ := unstructured.NestedString(u.Object, keys...); return s }
			s := report.Source{
				Kind: kind, Object: gitops.Ref{Namespace: u.GetNamespace(), Name: u.GetName()}.String(), URL: text("spec", "url"),
				Tag: text("spec", "ref", "tag"), Revision: text("status", "artifact", "revision"),
			}
			if s.Revision != "" && !slices.Contains(ours, s.URL) {
				out = append(out, s)
			}
		}
	}
	return out, nil
}
