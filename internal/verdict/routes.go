package verdict

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/spelling"
)

// operated says whether a Service may be created by an operator that does nothing in this tier.
// made: its name begins with that of a custom resource. may: the namespace has any custom resource
// of a kind whose operator creates Services (those of cert-manager and Prometheus don't).
func (k lookup) operated(namespace, name string) (made, may bool) {
	for _, l := range k.layers {
		for _, ref := range l.Unobserved {
			if ref.Namespace != namespace || ref.GroupKind == proxyKind || strings.HasSuffix(ref.Group, "cert-manager.io") || ref.Group == "monitoring.coreos.com" {
				continue
			}
			may, made = true, made || strings.HasPrefix(name, ref.Name)
		}
	}
	return made, may
}

// backend is the Service and port that a route leads to.
type backend struct {
	service string
	port    int64
	name    string // name of the port, if the route gives no number
}

func backends(u *unstructured.Unstructured) []backend {
	var out []backend
	spec, _, _ := unstructured.NestedMap(u.Object, "spec")
	if u.GetKind() == "HTTPProxy" {
		services := mapsIn(nil)
		for _, route := range mapsIn(spec["routes"]) {
			services = append(services, mapsIn(route["services"])...)
		}
		if tcp, ok := spec["tcpproxy"].(map[string]any); ok {
			services = append(services, mapsIn(tcp["services"])...)
		}
		for _, s := range services {
			name, _ := s["name"].(string)
			port, _ := s["port"].(int64)
			out = append(out, backend{service: name, port: port})
		}
		return out
	}
	add := func(b any) {
		service, _, _ := unstructured.NestedMap(map[string]any{"b": b}, "b", "service")
		name, _ := service["name"].(string)
		port, _ := service["port"].(map[string]any)
		number, _ := port["number"].(int64)
		portName, _ := port["name"].(string)
		if name != "" {
			out = append(out, backend{name, number, portName})
		}
	}
	add(spec["defaultBackend"])
	for _, rule := range mapsIn(spec["rules"]) {
		http, _ := rule["http"].(map[string]any)
		for _, p := range mapsIn(http["paths"]) {
			add(p["backend"])
		}
	}
	return out
}

// unrouted returns a finding if the Service or port that a route leads to does not exist.
func (k lookup) unrouted(u *unstructured.Unstructured, b backend) (finding.Finding, bool) {
	found, known := k.view.Get(live.Ref{GroupKind: serviceKind, Namespace: u.GetNamespace(), Name: b.service})
	if !known {
		return finding.Finding{}, false
	}
	f := k.owner(u)
	f.Code, f.Severity = finding.BackendNotFound, finding.Error
	if found == nil {
		names := k.names(serviceKind, u.GetNamespace())
		made, may := k.operated(u.GetNamespace(), b.service)
		f.Message = fmt.Sprintf("it leads to Service %s, which does not exist", b.service)
		f.Fix = "name one of " + strings.Join(names, ", ")
		near := spelling.Nearest(b.service, names)
		if near != "" {
			f.Fix = "did you mean " + near + "?"
		}
		if made || near == "" && may { // an operator may make it
			f.Severity = finding.Warning
		}
		return f, true
	}
	if kind, _, _ := unstructured.NestedString(found.Object, "spec", "type"); kind == "ExternalName" {
		return f, false // any port may exist at the external name
	}
	var ports []string
	list, _, _ := unstructured.NestedSlice(found.Object, "spec", "ports")
	for _, p := range mapsIn(list) {
		number, _ := p["port"].(int64)
		name, _ := p["name"].(string)
		if number == b.port && b.port != 0 || b.name != "" && name == b.name {
			return f, false
		}
		ports = append(ports, fmt.Sprint(number))
	}
	port := b.name
	if b.port != 0 {
		port = fmt.Sprint(b.port)
	}
	f.Message = fmt.Sprintf("it leads to port %s of Service %s, which has no such port", port, b.service)
	f.Fix = "name one of " + strings.Join(ports, ", ")
	return f, true
}
