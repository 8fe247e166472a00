// Package live interprets the live objects of a cluster: the inventory of a
// Kustomization, and the state of each object by a rule for its kind.
//
// It is pure: callers pass the objects in.
package live

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/gitops"
)

// Ref names an object of the cluster.
type Ref struct {
	schema.GroupKind
	Namespace, Name string
}

// Identity is Kind/namespace/name, or Kind/name.
func (r Ref) Identity() string { return gitops.Identity(r.Kind, r.Namespace, r.Name) }

// RefOf names a live object.
func RefOf(u *unstructured.Unstructured) Ref {
	return Ref{u.GroupVersionKind().GroupKind(), u.GetNamespace(), u.GetName()}
}

// View gives access to the cluster's objects, as far as their kinds are watched.
type View interface {
	// Get returns an object, or nil. known is false if its kind is not watched yet.
	Get(ref Ref) (u *unstructured.Unstructured, known bool)
	// List returns the objects of a kind.
	List(gk schema.GroupKind) []*unstructured.Unstructured
	// Gone returns the Jobs that were removed while the cluster was watched: hooks of charts are, once they
	// have completed.
	Gone() []*unstructured.Unstructured
}

// StandInLabel is on the pods of stand-ins.
const StandInLabel = "seatrial.dev/stand-in"

// ImagesAnnotation is on workloads of stand-ins whose images are not those of the real chart.
const ImagesAnnotation = "seatrial.dev/images"
