package verdict

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/spelling"
)

// Simulated pods run whatever they refer to, and no controller looks at a
// route. So what a kubelet and an ingress controller would stumble over is
// looked for here: it needs no pod to be known.

var (
	secretKind    = schema.GroupKind{Kind: "Secret"}
	configMapKind = schema.GroupKind{Kind: "ConfigMap"}
	serviceKind   = schema.GroupKind{Kind: "Service"}
	jobKind       = schema.GroupKind{Group: "batch", Kind: "Job"}
	proxyKind     = schema.GroupKind{Group: "projectcontour.io", Kind: "HTTPProxy"}
	ingressKind   = schema.GroupKind{Group: "networking.k8s.io", Kind: "Ingress"}
	// workloadKinds have a pod template, each at its own path.
	workloadKinds = map[schema.GroupKind][]string{
		{Group: "apps", Kind: "Deployment"}:  {"spec", "template", "spec"},
		{Group: "apps", Kind: "StatefulSet"}: {"spec", "template", "spec"},
		{Group: "apps", Kind: "DaemonSet"}:   {"spec", "template", "spec"},
		{Group: "batch", Kind: "Job"}:        {"spec", "template", "spec"},
		{Group: "batch", Kind: "CronJob"}:    {"spec", "jobTemplate", "spec", "template", "spec"},
		{Kind: "Pod"}:                        {"spec"},
	}
)

// Referred are the kinds that References looks at.
func Referred() []schema.GroupKind {
	out := []schema.GroupKind{secretKind, configMapKind, serviceKind, proxyKind, ingressKind}
	for gk := range workloadKinds {
		out = append(out, gk)
	}
	return out
}

// References finds pods that read what is not there, and routes that lead
// nowhere, and fails the layers that these belong to.
func (j *Judge) References(c Cluster, a Assessment) []finding.Finding {
	e := explainer{repo: j.repo, cluster: c}
	var out []finding.Finding
	for gk, path := range workloadKinds {
		for _, u := range c.List(gk) {
			if u.GetNamespace() == gitops.FluxNamespace || u.GetNamespace() == "kapp-controller" || len(u.GetOwnerReferences()) > 0 {
				continue // ours, or looked at by its owner
			}
			spec, _, _ := unstructured.NestedMap(u.Object, path...)
			for _, r := range podReferences(spec) {
				if f, bad := e.unread(u, r, a.Layers); bad {
					out = append(out, f)
				}
			}
		}
	}
	for _, gk := range []schema.GroupKind{proxyKind, ingressKind} {
		for _, u := range c.List(gk) {
			for _, b := range backends(u) {
				if f, bad := e.unrouted(u, b, a.Layers); bad {
					out = append(out, f)
				}
			}
		}
	}
	for _, f := range out {
		for _, l := range a.Layers {
			if f.Severity == finding.Error && l.Name == f.Layer && l.Status == Reconciled {
				l.Status, l.Message = StatusFail, f.Object+": "+f.Message
			}
		}
	}
	return finding.Merge(out, nil)
}

// reference is what a pod reads: a Secret or ConfigMap, or a key of one.
type reference struct {
	kind      schema.GroupKind
	name, key string
}

func podReferences(spec map[string]any) []reference {
	var out []reference
	add := func(kind schema.GroupKind, source any, nameField string, keys ...string) {
		m, ok := source.(map[string]any)
		if optional, _ := m["optional"].(bool); !ok || optional {
			return
		}
		name, _ := m[nameField].(string)
		if name == "" {
			return
		}
		if len(keys) == 0 {
			out = append(out, reference{kind, name, ""})
		}
		for _, key := range keys {
			out = append(out, reference{kind, name, key})
		}
	}
	key := func(source any) string {
		m, _ := source.(map[string]any)
		s, _ := m["key"].(string)
		return s
	}
	for _, list := range []string{"containers", "initContainers"} {
		for _, c := range mapsIn(spec[list]) {
			for _, env := range mapsIn(c["env"]) {
				from, _ := env["valueFrom"].(map[string]any)
				add(secretKind, from["secretKeyRef"], "name", key(from["secretKeyRef"]))
				add(configMapKind, from["configMapKeyRef"], "name", key(from["configMapKeyRef"]))
			}
			for _, from := range mapsIn(c["envFrom"]) {
				add(secretKind, from["secretRef"], "name")
				add(configMapKind, from["configMapRef"], "name")
			}
		}
	}
	for _, v := range mapsIn(spec["volumes"]) {
		add(secretKind, v["secret"], "secretName", items(v["secret"])...)
		add(configMapKind, v["configMap"], "name", items(v["configMap"])...)
		projected, _ := v["projected"].(map[string]any)
		for _, s := range mapsIn(projected["sources"]) {
			add(secretKind, s["secret"], "name", items(s["secret"])...)
			add(configMapKind, s["configMap"], "name", items(s["configMap"])...)
		}
	}
	return out
}

// items are the keys that a volume picks.
func items(source any) []string {
	m, _ := source.(map[string]any)
	var out []string
	for _, i := range mapsIn(m["items"]) {
		if key, ok := i["key"].(string); ok {
			out = append(out, key)
		}
	}
	return out
}

func mapsIn(list any) []map[string]any {
	entries, _ := list.([]any)
	var out []map[string]any
	for _, e := range entries {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// unread says what is wrong with something that a workload's pods read.
func (e explainer) unread(u *unstructured.Unstructured, r reference, layers []*Layer) (finding.Finding, bool) {
	live, known := e.cluster.Get(ObjectRef{r.kind, u.GetNamespace(), r.name})
	if !known {
		return finding.Finding{}, false
	}
	f := e.owner(u, layers)
	f.Code, f.Severity = finding.SecretKeyMissing, finding.Error
	subject := fmt.Sprintf("%s %s", r.kind.Kind, r.name)
	if live == nil {
		near := spelling.Nearest(r.name, e.names(r.kind, u.GetNamespace()))
		template, _, _ := unstructured.NestedStringMap(u.Object, "spec", "template", "metadata", "labels")
		if made, may := e.maker(u.GetNamespace(), r.name, layers); made || may && near == "" && template["stand-in"] == "" {
			// A job or an operator makes it, and neither does anything here.
			f.Severity = finding.Warning
		}
		f.Message = fmt.Sprintf("pods of %s %s read %s, which does not exist", u.GetKind(), u.GetName(), subject)
		f.Fix = "create it in an earlier layer, or mend the name"
		if near != "" {
			f.Fix = "did you mean " + near + "?"
		}
		return f, true
	}
	if r.key == "" {
		return f, false
	}
	keys := keysOf(live)
	if slices.Contains(keys, r.key) {
		return f, false
	}
	if len(keys) == 0 {
		f.Severity = finding.Warning // a placeholder that a controller fills, such as a bundle of certificates
	}
	f.Message = fmt.Sprintf("pods of %s %s read key %s of %s, which has no such key", u.GetKind(), u.GetName(), r.key, subject)
	f.Fix = fmt.Sprintf("add the key %s to %s, or name one of %s", r.key, subject, strings.Join(keys, ", "))
	f.Evidence = "a kubelet would report CreateContainerConfigError: couldn't find key " + r.key + " in " + subject
	return f, true
}

// names are those of all objects of a kind in a namespace.
func (e explainer) names(gk schema.GroupKind, namespace string) []string {
	var out []string
	for _, other := range e.cluster.List(gk) {
		if other.GetNamespace() == namespace {
			out = append(out, other.GetName())
		}
	}
	slices.Sort(out)
	return out
}

// maker says whether an object of a name is made by something that does nothing
// in this tier: made, if a custom resource speaks of it, as a SecretImport, an
// ExternalSecret or a Certificate does; may, if there is anything of the sort.
func (e explainer) maker(namespace, name string, layers []*Layer) (made, may bool) {
	may = len(e.names(jobKind, namespace)) > 0
	for _, l := range layers {
		for _, ref := range l.Unobserved {
			u, _ := e.cluster.Get(ref)
			if ref.Namespace != namespace || u == nil || ref.GroupKind == proxyKind {
				continue
			}
			may = true
			spec, _, _ := unstructured.NestedMap(u.Object, "spec")
			made = made || ref.Name == name || speaksOf(spec, name)
		}
	}
	return made, may
}

// speaksOf says whether a decoded value holds a text.
func speaksOf(v any, text string) bool {
	switch v := v.(type) {
	case string:
		return v == text
	case map[string]any:
		for _, inner := range v {
			if speaksOf(inner, text) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(inner any) bool { return speaksOf(inner, text) })
	}
	return false
}

func keysOf(u *unstructured.Unstructured) []string {
	var out []string
	for _, field := range []string{"data", "binaryData"} {
		m, _, _ := unstructured.NestedMap(u.Object, field)
		for key := range m {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// owner starts a finding about what in the repo made a live object.
func (e explainer) owner(u *unstructured.Unstructured, layers []*Layer) finding.Finding {
	labels := u.GetLabels()
	f := finding.Finding{Object: refOf(u).Identity()}
	owner := refOf(u)
	if name := labels["helm.toolkit.fluxcd.io/name"]; name != "" {
		owner = ObjectRef{releaseKind, labels["helm.toolkit.fluxcd.io/namespace"], name}
		f.Object = owner.Identity()
	}
	for _, l := range layers {
		if l.live == nil || !slices.Contains(Inventory(l.live), owner) {
			continue
		}
		f.Layer, f.File, f.Line = l.Name, l.File, l.Line
		e.locate(&f, l, func(o *gitops.Object) bool {
			return o.GroupVersionKind().GroupKind() == owner.GroupKind && o.GetName() == owner.Name && o.GetNamespace() == owner.Namespace
		})
	}
	return f
}

// operated is maker for Services: certificates make none.
func (e explainer) operated(namespace, name string, layers []*Layer) (made, may bool) {
	for _, l := range layers {
		for _, ref := range l.Unobserved {
			if ref.Namespace != namespace || ref.GroupKind == proxyKind || strings.HasSuffix(ref.Group, "cert-manager.io") || ref.Group == "monitoring.coreos.com" {
				continue
			}
			may, made = true, made || strings.HasPrefix(name, ref.Name)
		}
	}
	return made, may
}

// backend is where a route leads.
type backend struct {
	service string
	port    int64
	name    string // of the port, if it has no number
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

// unrouted says what is wrong with where a route leads.
func (e explainer) unrouted(u *unstructured.Unstructured, b backend, layers []*Layer) (finding.Finding, bool) {
	live, known := e.cluster.Get(ObjectRef{serviceKind, u.GetNamespace(), b.service})
	if !known {
		return finding.Finding{}, false
	}
	f := e.owner(u, layers)
	f.Code, f.Severity = finding.BackendNotFound, finding.Error
	if live == nil {
		names, standIns := e.names(serviceKind, u.GetNamespace()), false
		for _, s := range e.cluster.List(serviceKind) {
			selector, _, _ := unstructured.NestedStringMap(s.Object, "spec", "selector")
			standIns = standIns || s.GetNamespace() == u.GetNamespace() && selector["stand-in"] != ""
		}
		made, may := e.operated(u.GetNamespace(), b.service, layers)
		f.Message = fmt.Sprintf("it leads to Service %s, which does not exist", b.service)
		f.Fix = "name one of " + strings.Join(names, ", ")
		near := spelling.Nearest(b.service, names)
		if near != "" {
			f.Fix = "did you mean " + near + "?"
		}
		if made || near == "" && (standIns || may) {
			// An operator may make it, or the real chart have more Services than its stand-in.
			f.Severity = finding.Warning
		}
		return f, true
	}
	if kind, _, _ := unstructured.NestedString(live.Object, "spec", "type"); kind == "ExternalName" {
		return f, false // its ports are those of the name
	}
	var ports []string
	list, _, _ := unstructured.NestedSlice(live.Object, "spec", "ports")
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
