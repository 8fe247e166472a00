// Package live reads what a cluster says of its objects: what a Kustomization has
// applied, and how far each object is, by a rule that knows its kind.
//
// It is pure: the objects are given to it.
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

// View is what is known of the cluster's objects at a moment.
type View interface {
	// Get returns an object, or nil. known is false if its kind is not watched yet.
	Get(ref Ref) (u *unstructured.Unstructured, known bool)
	// List returns the objects of a kind.
	List(gk schema.GroupKind) []*unstructured.Unstructured
}

// StandInLabel is on the pods of stand-ins.
const StandInLabel = "seatrial.dev/stand-in"
