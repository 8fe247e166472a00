package cause

import (
	"regexp"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/live"
)

// unhealthyObject matches how kustomize-controller names an object that did not become
// ready in time.
var unhealthyObject = regexp.MustCompile(`([A-Z]\w+)/([\w.-]+)/([\w.:-]+) status: '(\w+)'`)

// unhealthy: the layer waits for objects that do not become ready, and names them. Each is
// explained by what its own controller says.
func unhealthy(f Failure) ([]finding.Finding, bool) {
	if !f.isLayer() || f.reason() != "HealthCheckFailed" {
		return nil, false
	}
	var out []finding.Finding
	for _, m := range unhealthyObject.FindAllStringSubmatch(f.Message, -1) {
		ref := live.Ref{GroupKind: schema.GroupKind{Kind: m[1]}, Namespace: m[2], Name: m[3]}
		for _, applied := range live.Inventory(f.Live) {
			if applied.Kind == m[1] && applied.Namespace == m[2] && applied.Name == m[3] {
				ref = applied
			}
		}
		object := Failure{Layer: f.Layer, Ref: ref, Message: "status " + m[4], View: f.View}
		if object.Live, _ = f.View.Get(ref); object.Live != nil {
			_, object.Message = live.Observe(object.Live)
		}
		if object.Ref == f.Ref { // it names itself, which explains nothing
			itself, _ := notCurrent(object)
			out = append(out, itself...)
			continue
		}
		out = append(out, Explain(object)...)
	}
	return out, len(out) > 0
}
