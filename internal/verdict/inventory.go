package verdict

import (
	"cmp"
	"slices"

	"github.com/fluxcd/cli-utils/pkg/object"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// inspect looks at every object of a layer's inventory.
func (l *Layer) inspect(c Cluster) {
	for _, ref := range Inventory(l.live) {
		l.Objects++
		if ref.GroupKind == layerKind {
			continue // a layer of its own
		}
		u, known := c.Get(ref)
		if !known {
			l.Unwatched = append(l.Unwatched, ref)
			continue
		}
		if u == nil {
			l.bad = append(l.bad, badObject{ref, nil, Failed, "is in the layer's inventory, but not in the cluster"})
			continue
		}
		switch state, message := Observe(u); state {
		case Current:
		case Unobserved:
			l.Unobserved = append(l.Unobserved, ref)
		default:
			l.bad = append(l.bad, badObject{ref, u, state, message})
		}
	}
	// A failure explains more than what waits for it.
	slices.SortStableFunc(l.bad, func(a, b badObject) int { return -cmp.Compare(a.state, b.state) })
}

// Inventory lists what a live Kustomization has applied. An entry that can't be
// read names an object that does not exist, so that its layer can't pass.
func Inventory(u *unstructured.Unstructured) []ObjectRef {
	entries, _, _ := unstructured.NestedSlice(u.Object, "status", "inventory", "entries")
	var out []ObjectRef
	for _, e := range entries {
		m, _ := e.(map[string]any)
		id, _ := m["id"].(string)
		o, err := object.ParseObjMetadata(id)
		if err != nil {
			o = object.ObjMetadata{GroupKind: schema.GroupKind{Kind: "Unknown"}, Name: id}
		}
		out = append(out, ObjectRef{o.GroupKind, o.Namespace, o.Name})
	}
	return out
}
