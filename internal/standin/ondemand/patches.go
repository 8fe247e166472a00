package ondemand

import (
	"cmp"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"seatrial.dev/seatrial/internal/standin"
)

// change is what one patch of a release's postRenderers takes for granted: of the objects that it changes and, if it
// names just one, that this is there.
type change struct {
	standin.Patched
	// apiVersion and namespace are what the patch says of the object; name is "" if it may be any of several.
	apiVersion, kind, namespace, name string
}

// Patches of a hostile repo could be without end: this many are looked at, and lists get no longer than this.
const (
	mostChanges = 256
	mostEntries = 64
)

// changes are what the patches of a HelmRelease take for granted. What can't be read, the helm-controller will tell of. release
// is the name of the Helm release, by which a labelSelector may choose what is made for it.
func changes(u *unstructured.Unstructured, release string) []change {
	var out []change
	renderers, _, _ := unstructured.NestedSlice(u.Object, "spec", "postRenderers")
	for _, r := range renderers {
		m, _ := r.(map[string]any)
		patches, _, _ := unstructured.NestedSlice(m, "kustomize", "patches")
		for _, p := range patches {
			m, _ := p.(map[string]any)
			patch, _ := m["patch"].(string)
			target, targeted := m["target"].(map[string]any)
			if !selected(target, release) {
				continue
			}
			for d := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(patch), 4096); len(out) < mostChanges; {
				var content any
				if err := d.Decode(&content); errors.Is(err, io.EOF) || err != nil {
					break
				}
				switch content := content.(type) {
				case map[string]any:
					out = append(out, merging(content, target, targeted))
				case []any:
					out = append(out, operations(content, target)...)
				}
			}
		}
	}
	return out[:min(len(out), mostChanges)]
}

// selected says whether a target may be what a stand-in makes for a release, whose objects have one label and no
// annotation.
func selected(target map[string]any, release string) bool {
	if annotations, _ := target["annotationSelector"].(string); annotations != "" {
		return false
	}
	selector, _ := target["labelSelector"].(string)
	parsed, err := labels.Parse(selector)
	return err == nil && parsed.Matches(labels.Set{"app.kubernetes.io/name": release})
}

// aimed is a change of what a target selects.
func aimed(target map[string]any) change {
	str := func(key string) string { s, _ := target[key].(string); return s }
	c := change{Patched: standin.Patched{Kind: cmp.Or(str("kind"), ".*"), Name: cmp.Or(str("name"), ".*")}, kind: str("kind"), name: str("name"), namespace: str("namespace")}
	if str("version") != "" {
		c.apiVersion = strings.TrimPrefix(str("group")+"/"+str("version"), "/")
		if str("group") == "" && str("version") != "v1" {
			c.apiVersion = ""
		}
	}
	for _, pattern := range []string{c.Kind, c.Name} {
		if _, err := regexp.Compile(pattern); err != nil {
			c.Kind, c.name = "-", "" // nothing is of this kind
		}
	}
	return c
}

// merging is what a strategic merge patch takes for granted.
func merging(patch, target map[string]any, targeted bool) change {
	u := &unstructured.Unstructured{Object: patch}
	c := aimed(target)
	if !targeted {
		c = change{
			Patched: standin.Patched{Kind: regexp.QuoteMeta(u.GetKind()), Name: regexp.QuoteMeta(u.GetName())},
			kind:    u.GetKind(), name: u.GetName(), namespace: u.GetNamespace(),
		}
	}
	if u.GetKind() == c.kind {
		c.apiVersion = cmp.Or(c.apiVersion, u.GetAPIVersion())
	}
	c.Has = namesOf(patch, 0)
	return c
}

// namesOf is the part of a strategic merge patch that has to be there before: the containers that it changes, and the volumes
// that it mounts and does not make.
func namesOf(patch map[string]any, depth int) map[string]any {
	out := map[string]any{}
	if depth > deepest {
		return out
	}
	for key, v := range patch {
		if m, ok := v.(map[string]any); ok {
			if inner := namesOf(m, depth+1); len(inner) > 0 {
				out[key] = inner
			}
		}
	}
	named := map[string]bool{}
	for _, v := range elements(patch["volumes"]) {
		name, _ := v["name"].(string)
		named[name] = true
	}
	var volumes []any
	for _, key := range []string{"initContainers", "containers"} {
		var there []any
		for _, c := range elements(patch[key]) {
			name, _ := c["name"].(string)
			if name == "" || c["$patch"] != nil {
				continue
			}
			if c["image"] == nil {
				there = append(there, loosened(map[string]any{"$name": name}, c["securityContext"]))
			}
			for _, mount := range elements(c["volumeMounts"]) {
				if volume, _ := mount["name"].(string); volume != "" && mount["$patch"] == nil && !named[volume] {
					named[volume] = true
					volumes = append(volumes, map[string]any{"$name": volume})
				}
			}
		}
		if len(there) > 0 {
			out[key] = there[:min(len(there), mostEntries)]
		}
	}
	if len(volumes) > 0 {
		out["volumes"] = volumes[:min(len(volumes), mostEntries)]
	}
	return out
}

// elements are the maps in a list.
func elements(v any) []map[string]any {
	var out []map[string]any
	list, _ := v.([]any)
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// loosened allows a container the escalation without which it can't get what a patch gives it.
func loosened(container map[string]any, securityContext any) map[string]any {
	m, _ := securityContext.(map[string]any)
	added, _, _ := unstructured.NestedStringSlice(m, "capabilities", "add")
	if m["privileged"] == true || slices.Contains(added, "SYS_ADMIN") || slices.Contains(added, "CAP_SYS_ADMIN") {
		container["securityContext"] = map[string]any{"allowPrivilegeEscalation": true}
	}
	return container
}
