package live

import (
	"github.com/fluxcd/cli-utils/pkg/object"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Inventory returns the objects in the inventory of a live Kustomization. An entry that
// can't be parsed becomes an object that does not exist, so that its layer can't pass.
func Inventory(u *unstructured.Unstructured) []Ref {
	entries, _, _ := unstructured.NestedSlice(u.Object, "status", "inventory", "entries")
	var out []Ref
	for _, e := range entries {
		m, _ := e.(map[string]any)
		id, _ := m["id"].(string)
		o, err := object.ParseObjMetadata(id)
		if err != nil {
			o = object.ObjMetadata{GroupKind: schema.GroupKind{Kind: "Unknown"}, Name: id}
		}
		out = append(out, Ref{o.GroupKind, o.Namespace, o.Name})
	}
	return out
}
