package ondemand

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/kinds"
	"seatrial.dev/seatrial/internal/standin"
)

// Provided is which chart brings which kinds, as far as a repo tells.
type Provided struct {
	// Kinds are those that each chart brings.
	Kinds map[chartKey][]standin.Kind
	// Guessed are kinds, as Kind.group, of which it is not known what brings them: the charts in By may.
	Guessed, By []string
}

// provide finds out which of a repo's charts bring the kinds that it uses, and that neither Kubernetes, Flux nor the repo
// itself has. A kind whose group no chart of the repo is known to bring may come with the chart that is named
// like the group or, if none is, with any of which nothing is known.
func provide(repo *gitops.Repo, wants []want, brings func(chart, group string) bool) Provided {
	out := Provided{Kinds: map[chartKey][]standin.Kind{}}
	var all []chartKey
	for _, w := range wants {
		if !slices.Contains(all, w.key()) {
			all = append(all, w.key())
		}
	}
	by, kinds := map[string]bool{}, kindsOf(append(usesOf(repo), waits(repo)...), definedBy(repo))
	does := func(c chartKey, k standin.Kind) bool {
		return brings(c.chart, k.Group) || standin.Describes(c.chart, k.Group)
	}
	unknown := filter(all, func(c chartKey) bool {
		return standin.Asked{Name: c.chart}.Generic() && !slices.ContainsFunc(kinds, func(k standin.Kind) bool { return does(c, k) })
	})
	for _, k := range kinds {
		from := filter(all, func(c chartKey) bool { return does(c, k) })
		if len(from) == 0 && installed(repo, k.Group) {
			continue // by a package, or a chart of a Git repository
		}
		if len(from) == 0 {
			from = alike(unknown, k)
			if len(from) > 0 {
				out.Guessed = append(out.Guessed, k.String())
			}
			for _, c := range from {
				by[c.chart] = true
			}
		}
		for _, c := range from {
			out.Kinds[c] = append(out.Kinds[c], k)
		}
	}
	out.By = slices.Sorted(maps.Keys(by))
	return out
}

func filter(all []chartKey, f func(chartKey) bool) []chartKey {
	return slices.DeleteFunc(slices.Clone(all), func(c chartKey) bool { return !f(c) })
}

// installed says whether anything in a repo is known to bring the kinds of a group.
func installed(repo *gitops.Repo, group string) bool {
	return slices.ContainsFunc(repo.Layers, func(l *gitops.Layer) bool { return l.Installer(group) != nil })
}

// alike are those of the charts whose name or address is most like a kind's group, or all of them.
func alike(charts []chartKey, k standin.Kind) []chartKey {
	best, out := 0, charts
	for _, c := range charts {
		n := likeness(c, k)
		if n > best {
			best, out = n, nil
		}
		if n == best && n > 0 {
			out = append(out, c)
		}
	}
	return out
}

// common are parts of names that say nothing.
var common = []string{"com", "org", "dev", "net", "app", "k8s", "x-k8s", "kubernetes", "charts", "chart", "helm", "operator", "controller", "oci", "https", "http", "ghcr", "quay", "github", "docker", "cloud"}

var parts = regexp.MustCompile(`[^a-z0-9-]+`)

// likeness says how much of a group's name a chart's name and address have, and of a kind's.
func likeness(c chartKey, k standin.Kind) int {
	squeeze := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "") }
	name, url, n := squeeze(c.chart), squeeze(c.url), 0
	for _, part := range parts.Split(strings.ToLower(k.Group), -1) {
		if len(part) < 3 || slices.Contains(common, part) {
			continue
		}
		if part = squeeze(part); strings.Contains(name, part) {
			n += 4 * len(part)
		} else if strings.Contains(url, part) {
			n += len(part)
		}
		for _, word := range strings.Split(c.chart, "-") {
			if len(word) > 3 && !slices.Contains(common, word) && part != word && strings.Contains(part, word) {
				n += 4 * len(word)
			}
		}
	}
	if kind := strings.ToLower(k.Kind); len(kind) > 3 && strings.Contains(name, kind) {
		n += 2 * len(kind)
	}
	return n
}

// builtIn are Kubernetes' own API groups, and those that a rehearsal's cluster has by itself.
var builtIn = []string{
	"", "apps", "batch", "autoscaling", "policy", "extensions", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io",
	"authentication.k8s.io", "authorization.k8s.io", "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io",
	"flowcontrol.apiserver.k8s.io", "internal.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io", "rbac.authorization.k8s.io", "resource.k8s.io",
	"scheduling.k8s.io", "storage.k8s.io", "storagemigration.k8s.io", "metrics.k8s.io", "kustomize.config.k8s.io",
	"packaging.carvel.dev", "data.packaging.carvel.dev", "internal.packaging.carvel.dev", "kappctrl.k14s.io", "source.extensions.fluxcd.io",
}

// use is an object of a kind that something has to bring.
type use struct {
	gvk schema.GroupVersionKind
	// namespaced is true if it is in a namespace, and surely so if that is its own word.
	namespaced, surely bool
}

// Used are the kinds that a repo's objects, and the values of its releases, are of, without those that are there
// anyway; sorted.
func Used(repo *gitops.Repo) []standin.Kind { return kindsOf(usesOf(repo), definedBy(repo)) }

// usesOf are a repo's objects, and those in the values of its releases.
func usesOf(repo *gitops.Repo) []use {
	var uses []use
	for _, l := range repo.Layers {
		for _, o := range l.Objects {
			uses = append(uses, use{gvk: o.GroupVersionKind(), namespaced: o.GetNamespace() != "", surely: o.GetNamespace() != "" && l.TargetNamespace() == ""})
			if o.Is(gitops.HelmReleaseKind) {
				values, _, _ := unstructured.NestedMap(o.Object, "spec", "values")
				uses = append(uses, inValues(values)...)
			}
		}
	}
	return uses
}

// waits are the objects that a repo's health checks wait for.
func waits(repo *gitops.Repo) []use {
	objects, _ := modelOf(repo)
	var uses []use
	for _, w := range waitedFor(objects) {
		uses = append(uses, use{gvk: w.GroupVersionKind, namespaced: w.local})
	}
	return uses
}

// definedBy are the kinds that a repo has CRDs of.
func definedBy(repo *gitops.Repo) map[schema.GroupKind]bool {
	defined := map[schema.GroupKind]bool{}
	for _, l := range repo.Layers {
		for _, o := range l.Objects {
			if o.GetKind() == "CustomResourceDefinition" {
				defined[schema.GroupKind{Group: text(o.Unstructured, "spec", "group"), Kind: text(o.Unstructured, "spec", "names", "kind")}] = true
			}
		}
	}
	return defined
}

// kindsOf are the kinds of objects, without those that are there anyway; sorted.
func kindsOf(uses []use, defined map[schema.GroupKind]bool) []standin.Kind {
	byKind := map[schema.GroupKind][]use{}
	for _, u := range uses {
		gk := u.gvk.GroupKind()
		if !slices.Contains(builtIn, gk.Group) && !strings.HasSuffix(gk.Group, ".toolkit.fluxcd.io") && !defined[gk] && strings.Contains(gk.Group, ".") && gk.Kind != "" && u.gvk.Version != "" {
			byKind[gk] = append(byKind[gk], u)
		}
	}
	var out []standin.Kind
	for gk, all := range byKind {
		if kinds.Misspelt(gk.Group, gk.Kind) {
			continue // no chart brings it
		}
		k := standin.Kind{Group: gk.Group, Kind: gk.Kind, Cluster: !namespaced(gk.Kind, all)}
		for _, u := range all {
			if !slices.Contains(k.Versions, u.gvk.Version) {
				k.Versions = append(k.Versions, u.gvk.Version)
			}
		}
		slices.Sort(k.Versions)
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b standin.Kind) int { return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind)) })
	return out
}

// clusterWide are names of kinds whose objects are in no namespace, by the custom of those who name them.
var clusterWide = regexp.MustCompile(`^(Cluster[A-Z]\w*|\w+Class)$`)

// namespaced says whether the objects of a kind are in namespaces: some say so, or their layer puts them there, which it
// does with all.
func namespaced(kind string, all []use) bool {
	if slices.ContainsFunc(all, func(u use) bool { return u.surely }) {
		return true
	}
	return !clusterWide.MatchString(kind) && slices.ContainsFunc(all, func(u use) bool { return u.namespaced })
}

// deepest is how deep values are looked into.
const deepest = 32

// inValues are the kinds of objects that charts make of values: what has an apiVersion and a kind, and what
// app-template has its own words for.
func inValues(values map[string]any) []use {
	var out []use
	add := func(group, version, kind string) {
		out = append(out, use{gvk: schema.GroupVersionKind{Group: group, Version: version, Kind: kind}, namespaced: true})
	}
	if _, ok := values["controllers"].(map[string]any); ok {
		routes, _ := values["route"].(map[string]any)
		for _, r := range routes {
			m, _ := r.(map[string]any)
			kind, _ := m["kind"].(string)
			kind = cmp.Or(kind, "HTTPRoute")
			version := "v1"
			if !slices.Contains([]string{"HTTPRoute", "GRPCRoute"}, kind) {
				version = "v1alpha2"
			}
			add("gateway.networking.k8s.io", version, kind)
		}
		if monitors, _ := values["serviceMonitor"].(map[string]any); len(monitors) > 0 {
			add("monitoring.coreos.com", "v1", "ServiceMonitor")
		}
	}
	var walk func(v any, depth int)
	walk = func(v any, depth int) {
		if depth > deepest {
			return
		}
		switch v := v.(type) {
		case map[string]any:
			version, _ := v["apiVersion"].(string)
			kind, _ := v["kind"].(string)
			if gv, err := schema.ParseGroupVersion(version); err == nil && gv.Group != "" && kind != "" && usable(version+kind) && !strings.Contains(version+kind, "{{") {
				if _, whole := v["metadata"]; whole {
					add(gv.Group, gv.Version, kind)
				}
			}
			for _, inner := range v {
				walk(inner, depth+1)
			}
		case []any:
			for _, inner := range v {
				walk(inner, depth+1)
			}
		}
	}
	walk(values, 0)
	return out
}
