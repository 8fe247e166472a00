package verdict

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/spelling"
)

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

// unread returns a finding if a Secret or ConfigMap, or its key, that a workload's pods
// read does not exist.
func (k lookup) unread(u *unstructured.Unstructured, r reference) (finding.Finding, bool) {
	found, known := k.view.Get(live.Ref{GroupKind: r.kind, Namespace: u.GetNamespace(), Name: r.name})
	if !known {
		return finding.Finding{}, false
	}
	f := k.owner(u)
	f.Code, f.Severity = finding.SecretKeyMissing, finding.Error
	subject := fmt.Sprintf("%s %s", r.kind.Kind, r.name)
	if found == nil {
		if job := k.job(u.GetNamespace(), r.name); job != "" {
			k.unmade[subject+" in namespace "+u.GetNamespace()] = job
			return f, false
		}
		near := spelling.Nearest(r.name, k.names(r.kind, u.GetNamespace()))
		template, _, _ := unstructured.NestedStringMap(u.Object, "spec", "template", "metadata", "labels")
		if made, may := k.maker(u.GetNamespace(), r.name); made || may && near == "" && template[live.StandInLabel] == "" {
			// A Job or an operator may create it, and neither does anything in this tier.
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
	keys := keysOf(found)
	if slices.Contains(keys, r.key) {
		return f, false
	}
	if len(keys) == 0 {
		f.Severity = finding.Warning // empty: probably filled by a controller, such as a bundle of certificates
	}
	f.Message = fmt.Sprintf("pods of %s %s read key %s of %s, which has no such key", u.GetKind(), u.GetName(), r.key, subject)
	f.Fix = fmt.Sprintf("add the key %s to %s, or name one of %s", r.key, subject, strings.Join(keys, ", "))
	f.Evidence = "a kubelet would report CreateContainerConfigError: couldn't find key " + r.key + " in " + subject
	return f, true
}
