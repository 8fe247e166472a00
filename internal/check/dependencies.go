package check

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/catalogue"
	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/spelling"
)

// unordered finds layers that need a kind or a namespace which another layer
// brings, and do not wait for that. Flux tries again until it works, so this is
// a warning: it costs minutes on a fresh cluster, and fails where tries run out.
func unordered(r *gitops.Repo, _ Options) []finding.Finding {
	var out []finding.Finding
	namespaces := map[string]*gitops.Layer{} // by the first layer that brings each
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.GetKind() == "Namespace" && namespaces[o.GetName()] == nil {
				namespaces[o.GetName()] = l
			}
		}
	}
	for _, l := range r.Layers {
		if l.Ref == gitops.RootLayer || slices.ContainsFunc(l.DependsOn, func(d gitops.Dependency) bool { return r.Layer(d.Ref) == nil }) {
			continue // what a dangling name was meant to be is not known
		}
		earlier := r.Ancestors(l)
		earlier[l.Ref] = true
		for p := l.Parent; p.Name != ""; {
			earlier[p] = true
			parent := r.Layer(p)
			if parent == nil || parent.Parent == p {
				break
			}
			p = parent.Parent
		}
		said := map[gitops.Ref]bool{}
		say := func(o *gitops.Object, brings *gitops.Layer, what string) {
			if said[brings.Ref] {
				return
			}
			said[brings.Ref] = true
			f := about(l, o, finding.MissingDependency)
			f.Severity = finding.Warning
			f.Message = fmt.Sprintf("it needs %s, which layer %s brings, and layer %s does not depend on that", what, brings.Name, l.Name)
			f.Fix = "add " + brings.Name + " to the dependsOn of " + l.Name
			out = append(out, f)
		}
		for _, o := range l.Objects {
			if brings := namespaces[o.GetNamespace()]; brings != nil && !earlier[brings.Ref] && !bringsNamespace(l, o.GetNamespace()) {
				say(o, brings, "namespace "+o.GetNamespace())
			}
			group := o.GroupVersionKind().Group
			for _, other := range r.Layers {
				if other.Provider(group) != nil && !earlier[other.Ref] && !provided(r, l, group) {
					say(o, other, "the kinds of "+group)
				}
			}
		}
	}
	return out
}

func bringsNamespace(l *gitops.Layer, name string) bool {
	return slices.ContainsFunc(l.Objects, func(o *gitops.Object) bool { return o.GetKind() == "Namespace" && o.GetName() == name })
}

var hostName = regexp.MustCompile(`[a-z0-9]([-a-z0-9]*[a-z0-9])?`)

// releaseOrder finds Helm releases whose values name another release's host,
// such as their database's, without waiting for that.
func releaseOrder(r *gitops.Repo, _ Options) []finding.Finding {
	type release struct {
		layer  *gitops.Layer
		object *gitops.Object
	}
	releases := map[gitops.Ref]release{}
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.GetKind() == "HelmRelease" {
				releases[gitops.Ref{Namespace: o.GetNamespace(), Name: o.GetName()}] = release{l, o}
			}
		}
	}
	var out []finding.Finding
	for ref, rel := range releases {
		waits := map[string]bool{ref.Name: true}
		list, _, _ := unstructured.NestedSlice(rel.object.Object, "spec", "dependsOn")
		for _, d := range list {
			if m, ok := d.(map[string]any); ok {
				waits[fmt.Sprint(m["name"])] = true
			}
		}
		values, _, _ := unstructured.NestedMap(rel.object.Object, "spec", "values")
		found := map[string]bool{}
		walk("", values, func(at string, v any) {
			text, ok := v.(string)
			if !ok || strings.Contains(strings.ToLower(at), "secret") || strings.HasSuffix(at, "fullnameOverride") {
				return
			}
			for _, host := range hostName.FindAllString(text, -1) {
				other, known := releases[gitops.Ref{Namespace: ref.Namespace, Name: host}]
				if known && strings.Contains(host, "-") && !waits[host] && !r.Ancestors(rel.layer)[other.layer.Ref] {
					found[host] = true
				}
			}
		})
		for host := range found {
			f := about(rel.layer, rel.object, finding.MissingDependency)
			f.Severity = finding.Warning
			f.Message = fmt.Sprintf("its values name %s, another release, and it does not wait for that", host)
			f.Fix = "add " + host + " to the dependsOn of the HelmRelease"
			out = append(out, f)
		}
	}
	return out
}

// misspeltValues finds values of the catalogue's charts that no such chart
// reads but for a letter or two: Helm ignores them silently.
func misspeltValues(r *gitops.Repo, _ Options) []finding.Finding {
	c, err := catalogue.Load()
	if err != nil {
		return nil // a defect of the program, which its tests find
	}
	var out []finding.Finding
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.GetKind() != "HelmRelease" {
				continue
			}
			chart, _, _ := unstructured.NestedString(o.Object, "spec", "chart", "spec", "chart")
			url := repositoryURL(r, o)
			i := slices.IndexFunc(c.Services, func(s *catalogue.Service) bool {
				return s.Chart != nil && s.Chart.Name == chart && strings.TrimSuffix(s.Chart.URL, "/") == url
			})
			if i < 0 {
				continue
			}
			values, _, _ := unstructured.NestedMap(o.Object, "spec", "values")
			out = append(out, misspelt(l, o, c.Services[i].KnownValues(), values, "")...)
		}
	}
	return out
}

// repositoryURL is where a release's chart comes from, or "".
func repositoryURL(r *gitops.Repo, release *gitops.Object) string {
	source, _, _ := unstructured.NestedStringMap(release.Object, "spec", "chart", "spec", "sourceRef")
	namespace := cmp.Or(source["namespace"], release.GetNamespace())
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.GetKind() == source["kind"] && o.GetName() == source["name"] && o.GetNamespace() == namespace {
				url, _, _ := unstructured.NestedString(o.Object, "spec", "url")
				return strings.TrimSuffix(url, "/")
			}
		}
	}
	return ""
}

func misspelt(l *gitops.Layer, o *gitops.Object, known, values map[string]any, at string) []finding.Finding {
	var out []finding.Finding
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	for key, v := range values {
		inner, ok := known[key]
		if ok {
			next, isMap := v.(map[string]any)
			if knownMap, both := inner.(map[string]any); isMap && both {
				out = append(out, misspelt(l, o, knownMap, next, at+key+".")...)
			}
			continue
		}
		near := spelling.Nearest(key, names)
		if _, written := values[near]; near == "" || len(key) < 5 || written {
			continue
		}
		f := about(l, o, finding.UnknownValue)
		f.Severity = finding.Warning
		f.Message = fmt.Sprintf("the chart is not known to read %s%s", at, key)
		f.Fix = fmt.Sprintf("did you mean %s%s?", at, near)
		out = append(out, f)
	}
	return out
}
