// Package livetest makes views of a cluster for tests, from objects in YAML.
package livetest

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"seatrial.dev/seatrial/internal/live"
)

// View is a live.View that does not change, and that knows every kind.
type View map[live.Ref]*unstructured.Unstructured

// Get implements live.View.
func (v View) Get(ref live.Ref) (*unstructured.Unstructured, bool) { return v[ref], true }

// List implements live.View.
func (v View) List(gk schema.GroupKind) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for ref, u := range v {
		if ref.GroupKind == gk && !gone(ref, u) {
			out = append(out, u)
		}
	}
	return out
}

// Gone implements live.View: Jobs that are being deleted count as removed.
func (v View) Gone() []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for ref, u := range v {
		if gone(ref, u) {
			out = append(out, u)
		}
	}
	return out
}

func gone(ref live.Ref, u *unstructured.Unstructured) bool {
	return ref.Kind == "Job" && u.GetDeletionTimestamp() != nil
}

// Cluster holds the objects of some manifests, one object each.
func Cluster(t testing.TB, manifests ...string) View {
	t.Helper()
	v := View{}
	for _, m := range manifests {
		u := Object(t, m)
		v[live.RefOf(u)] = u
	}
	return v
}

// Object reads a manifest.
func Object(t testing.TB, manifest string) *unstructured.Unstructured {
	t.Helper()
	b, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(b); err != nil {
		t.Fatal(err)
	}
	return u
}
