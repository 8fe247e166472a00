package check

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A Secret of overlays holds programs; anything else in it counts as a secret.
func TestOverlaysAreNoSecrets(t *testing.T) {
	const overlay = "#@ load(\"@ytt:overlay\", \"overlay\")\n#@overlay/match by=overlay.all\n---\n"
	for name, c := range map[string]struct {
		object map[string]any
		want   bool
	}{
		"overlays":              {map[string]any{"stringData": map[string]any{"a.yaml": overlay, "b.yaml": overlay}}, true},
		"a password beside one": {map[string]any{"stringData": map[string]any{"a.yaml": overlay, "password": "hunter2"}}, false},
		"encoded data":          {map[string]any{"stringData": map[string]any{"a.yaml": overlay}, "data": map[string]any{"b": "aHVudGVyMg=="}}, false},
		"nothing":               {map[string]any{}, false},
		"a text about overlays": {map[string]any{"stringData": map[string]any{"a.yaml": "password: x # " + overlay}}, false},
	} {
		if got := isOverlay(&unstructured.Unstructured{Object: c.object}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
