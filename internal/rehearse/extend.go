package rehearse

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/gitops"
)

// notifying are the CRDs of Flux that list kinds which they may name, and where.
var notifying = map[string]string{
	"alerts.notification.toolkit.fluxcd.io": "eventSources", "receivers.notification.toolkit.fluxcd.io": "resources",
}

// operators are the kinds that flux-operator adds to those lists where it installs Flux.
var operators = []string{"FluxInstance", "FluxReport", "ResourceSet", "ResourceSetInputProvider"}

// extend adds to what Flux's notifications may be about the kinds that the repo's own installation of Flux
// adds: flux-operator's, or those that a patch of the repo puts into the CRDs.
func (r *rehearsal) extend(ctx context.Context) error {
	for name, field := range notifying {
		var more []string
		if r.subject.Repo.Instance {
			more = operators
		}
		if own, _ := r.subject.Repo.Applied(gitops.Identity("CustomResourceDefinition", "", name)); own != nil {
			eachKindList(own.Object, field, func(listed []any) []any {
				for _, k := range listed {
					more = append(more, fmt.Sprint(k))
				}
				return listed
			})
		}
		if len(more) == 0 {
			continue
		}
		crds := r.cluster.Client().Dynamic.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
		crd, err := crds.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("read the kind that %s makes: %w", name, err)
		}
		eachKindList(crd.Object, field, func(listed []any) []any {
			for _, k := range more {
				if !slices.Contains(listed, any(k)) {
					listed = append(listed, k)
				}
			}
			return listed
		})
		if _, err := crds.Update(ctx, crd, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("add the kinds that the repo's Flux knows to %s: %w", name, err)
		}
	}
	return nil
}

// eachKindList passes each version's list of the kinds that a field of a CRD takes through f.
func eachKindList(crd map[string]any, field string, f func([]any) []any) {
	versions, _, _ := unstructured.NestedSlice(crd, "spec", "versions")
	for _, v := range versions {
		m, _ := v.(map[string]any)
		at := []string{"schema", "openAPIV3Schema", "properties", "spec", "properties", field, "items", "properties", "kind", "enum"}
		if listed, found, err := unstructured.NestedSlice(m, at...); found && err == nil {
			_ = unstructured.SetNestedSlice(m, f(listed), at...) // it was found there
		}
	}
	_ = unstructured.SetNestedSlice(crd, versions, "spec", "versions") // as above
}
