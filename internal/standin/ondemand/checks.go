package ondemand

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/standin"
)

// backend is a Service and a port of it, a number or a name, that a route leads to.
type backend struct{ namespace, service, port string }

// led are all Services that routes of any common kind lead to: whatever in their spec has a name and a port
// is taken for one.
func led(objects []*unstructured.Unstructured) []backend {
	var out []backend
	for _, u := range objects {
		switch u.GetKind() {
		case "Ingress", "HTTPProxy", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "UDPRoute", "IngressRoute", "IngressRouteTCP":
		default:
			continue
		}
		var walk func(v any, depth int)
		walk = func(v any, depth int) {
			switch v := v.(type) {
			case map[string]any:
				name, _ := v["name"].(string)
				kind, _ := v["kind"].(string)
				other, _ := v["namespace"].(string)
				port := portOf(v["port"])
				if name != "" && port != "" && (kind == "" || kind == "Service") && usable(name+port) {
					out = append(out, backend{cmp.Or(other, u.GetNamespace()), name, port})
				}
				if depth < deepest {
					for _, key := range slices.Sorted(maps.Keys(v)) {
						if key != "parentRefs" {
							walk(v[key], depth+1)
						}
					}
				}
			case []any:
				for _, inner := range v {
					walk(inner, depth+1)
				}
			}
		}
		walk(u.Object["spec"], 0)
	}
	return out
}

// portOf is a port that stands as a number, a name, or as an Ingress has it.
func portOf(v any) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatInt(int64(v), 10)
	case string:
		return v
	case map[string]any:
		name, _ := v["name"].(string)
		return cmp.Or(name, portOf(v["number"]))
	}
	return ""
}

// waited is what a health check waits for, and the Kustomization that it is of.
type waited struct {
	schema.GroupVersionKind
	namespace, name string
	layer           gitops.Ref
	// local is true if it says which namespace it means.
	local bool
}

// waitedFor are the objects that Kustomizations wait for by name.
func waitedFor(objects []*unstructured.Unstructured) []waited {
	var out []waited
	for _, u := range objects {
		if u.GroupVersionKind().GroupKind() != gitops.KustomizationKind {
			continue
		}
		checks, _, _ := unstructured.NestedSlice(u.Object, "spec", "healthChecks")
		for _, c := range checks {
			m, _ := c.(map[string]any)
			check := &unstructured.Unstructured{Object: m}
			name, namespace := text(check, "name"), text(check, "namespace")
			if check.GetKind() != "" && usable(name) && !strings.Contains(check.GetAPIVersion()+check.GetKind()+namespace, "${") {
				out = append(out, waited{
					check.GroupVersionKind(), cmp.Or(namespace, text(u, "spec", "targetNamespace"), u.GetNamespace()), name,
					gitops.Ref{Namespace: u.GetNamespace(), Name: u.GetName()}, namespace != "",
				})
			}
		}
	}
	return out
}

// made are kinds that other objects than charts' bring about: they say nothing about a release.
var made = []string{"Secret", "Namespace", "CustomResourceDefinition", "Pod", "Event", "APIService"}

// maker is the release that makes an object which a layer waits for and nothing applies: one whose values name it or,
// if none does, the one of the layer whose chart is most like the object's kind or, if none is, the first there that the object is named after or of whose chart nothing
// is known.
func maker(releases []release, w waited) (release, bool) {
	if slices.Contains(made, w.Kind) || strings.HasSuffix(w.Group, ".toolkit.fluxcd.io") {
		return release{}, false
	}
	best, most := -1, 0
	for i, r := range releases {
		named := !slices.Contains(standardGroups, w.Group) && mentions(valuesOf(r.object), w.name, 0)
		if r.layer != w.layer && !named || r.templated {
			continue
		}
		n := 4 * likeness(r.chart, standin.Kind{Group: w.Group, Kind: w.Kind})
		if w.name == r.name || strings.HasPrefix(w.name, r.name+"-") {
			n += 2
		}
		if !r.faithful {
			n++
		}
		if named {
			n += 10_000
		}
		if n > most {
			best, most = i, n
		}
	}
	if best < 0 {
		return release{}, false
	}
	return releases[best], true
}

// standardGroups are those of workloads: many values have their names.
var standardGroups = []string{"", "apps", "batch", "networking.k8s.io"}

// mentions says whether a text is a value anywhere in a release's values.
func mentions(v any, text string, depth int) bool {
	switch v := v.(type) {
	case string:
		return v == text
	case map[string]any:
		for _, inner := range v {
			if depth < deepest && mentions(inner, text, depth+1) {
				return true
			}
		}
	case []any:
		return depth < deepest && slices.ContainsFunc(v, func(inner any) bool { return mentions(inner, text, depth+1) })
	}
	return false
}

// valuesOf are a release's own values.
func valuesOf(u *unstructured.Unstructured) any {
	if u == nil {
		return nil
	}
	v, _, _ := unstructured.NestedFieldNoCopy(u.Object, "spec", "values")
	return v
}
