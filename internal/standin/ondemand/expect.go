package ondemand

import (
	"cmp"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/standin"
)

// release is a HelmRelease, and the chart that it takes.
type release struct {
	namespace, name string
	chart           chartKey
	faithful        bool // more is known of its chart than a name
	templated       bool // and its stand-in makes all that the chart does
	layer           gitops.Ref
	object          *unstructured.Unstructured
}

// id is namespace/name.
func (r release) id() string { return r.namespace + "/" + r.name }

// takes are what a repo takes for granted, by chart and by release.
type takes map[chartKey]map[string]standin.Expected

// change changes what is expected of a release.
func (t takes) change(r release, f func(*standin.Expected)) {
	if t[r.chart] == nil {
		t[r.chart] = map[string]standin.Expected{}
	}
	e := t[r.chart][r.id()]
	f(&e)
	t[r.chart][r.id()] = e
}

// service has a release make a Service with a port, "" for any.
func (t takes) service(r release, name, port string) {
	t.change(r, func(e *standin.Expected) {
		if e.Services == nil {
			e.Services = map[string][]string{}
		}
		if ports := e.Services[name]; port != "" && !slices.Contains(ports, port) {
			e.Services[name] = append(ports, port)
		} else {
			e.Services[name] = ports
		}
	})
}

// workload has a release make a workload.
func (t takes) workload(r release, kind, name string) {
	t.change(r, func(e *standin.Expected) {
		if !slices.Contains(e.Workloads, kind+"/"+name) {
			e.Workloads = append(e.Workloads, kind+"/"+name)
		}
	})
}

// object has a release make an object of any other kind.
func (t takes) object(r release, apiVersion, kind, namespace, name string) {
	if namespace == r.namespace {
		namespace = ""
	}
	object := standin.Least(apiVersion, kind, namespace, name)
	t.change(r, func(e *standin.Expected) {
		if !slices.ContainsFunc(e.Objects, func(o map[string]any) bool {
			return o["kind"] == kind && reflect.DeepEqual(o["metadata"], object["metadata"])
		}) {
			e.Objects = append(e.Objects, object)
		}
	})
}

// workloads are the kinds of which a stand-in makes pods.
var workloads = []string{"Deployment", "StatefulSet", "DaemonSet"}

// expect finds out what a repo takes for granted of the releases whose charts nothing is known of: the Services that its
// routes lead to, and the workloads that its health checks wait for. Each is expected of the release in its
// namespace that it is named after, or else of the first there. faithful says of which charts more is
// known: what is named after one of their releases is either there or missing indeed. Of all but those that are templated
// it also finds what their own patches change, and what else health checks wait for.
func expect(repo *gitops.Repo, faithful, templated func(want) bool) takes {
	objects, layers := modelOf(repo)
	releases := releasesOf(objects, layers, faithful, templated)
	out := takes{}
	own := map[string]bool{} // Kind/namespace/name
	for _, u := range objects {
		own[gitops.Identity(u.GetKind(), u.GetNamespace(), u.GetName())] = true
	}
	for _, r := range releases {
		for _, kind := range []string{"Service", "Deployment"} {
			if own[gitops.Identity(kind, r.namespace, r.name)] && !r.faithful {
				out.change(r, func(e *standin.Expected) { e.Taken = append(e.Taken, kind+"/"+r.name) })
			}
		}
	}
	for _, b := range led(objects) {
		if r, ok := owner(releases, b.namespace, b.service); ok && !own[gitops.Identity("Service", b.namespace, b.service)] {
			out.service(r, b.service, b.port)
		}
	}
	for _, w := range waitedFor(objects) {
		if own[gitops.Identity(w.Kind, w.namespace, w.name)] || own[gitops.Identity(w.Kind, "", w.name)] {
			continue
		}
		r, owned := owner(releases, w.namespace, w.name)
		switch other, ok := maker(releases, w); {
		case w.Group == "apps" && slices.Contains(workloads, w.Kind):
			if owned {
				out.workload(r, w.Kind, w.name)
			}
		case w.Group == "" && w.Kind == "Service":
			if owned {
				out.service(r, w.name, "")
			}
		case ok:
			out.object(other, w.GroupVersion().String(), w.Kind, w.namespace, w.name)
		}
	}
	for _, r := range releases {
		if !r.templated {
			out.patched(r, own)
		}
	}
	return out
}

// patched has a release make what its own patches change.
func (t takes) patched(r release, own map[string]bool) {
	for _, c := range changes(r.object, r.name) {
		if c.namespace == r.namespace {
			c.Has["metadata"] = map[string]any{"namespace": c.namespace} // as the patch is for no other
		}
		t.change(r, func(e *standin.Expected) { e.Patched = append(e.Patched, c.Patched) })
		if len(validation.IsDNS1123Subdomain(c.name)) > 0 || c.kind == "" || own[gitops.Identity(c.kind, r.namespace, c.name)] {
			continue // any of several, or the repo's
		}
		switch known := c.kind == "Service" || slices.Contains(workloads, c.kind); {
		case known && r.faithful: // it makes all of these that the chart does
		case c.kind == "Service":
			t.service(r, c.name, "")
		case known:
			t.workload(r, c.kind, c.name)
		case regexp.MustCompile(`^[A-Za-z]+$`).MatchString(c.kind):
			t.object(r, c.apiVersion, c.kind, c.namespace, c.name)
		}
	}
}

// modelOf are the objects of a repo, and the layers that they are of.
func modelOf(repo *gitops.Repo) (objects []*unstructured.Unstructured, layers map[*unstructured.Unstructured]gitops.Ref) {
	layers = map[*unstructured.Unstructured]gitops.Ref{}
	for _, l := range repo.Layers {
		for _, o := range l.Objects {
			objects, layers[o.Unstructured] = append(objects, o.Unstructured), l.Ref
		}
	}
	return objects, layers
}

// owner is the release in a namespace that something is expected of; false if none is, or one whose chart is known.
func owner(releases []release, namespace, name string) (release, bool) {
	best, first := -1, -1
	for i, r := range releases {
		if r.namespace != namespace {
			continue
		}
		if name == r.name || strings.HasPrefix(name, r.name+"-") {
			if best < 0 || len(r.name) > len(releases[best].name) {
				best = i
			}
		}
		if first < 0 && !r.faithful {
			first = i
		}
	}
	if best < 0 {
		best = first
	}
	if best < 0 || releases[best].faithful {
		return release{}, false
	}
	return releases[best], true
}

// releasesOf are the releases whose charts stand-ins may be made for, sorted by namespace and name.
func releasesOf(objects []*unstructured.Unstructured, layers map[*unstructured.Unstructured]gitops.Ref, faithful, templated func(want) bool) []release {
	sources := map[gitops.SourceRef]*unstructured.Unstructured{}
	for _, u := range objects {
		if u.GroupVersionKind().Group == gitops.SourceGroup {
			sources[gitops.SourceRef{Kind: u.GetKind(), Namespace: u.GetNamespace(), Name: u.GetName()}] = u
		}
	}
	var out []release
	for _, u := range objects {
		if u.GroupVersionKind().GroupKind() != gitops.HelmReleaseKind {
			continue
		}
		r := release{namespace: cmp.Or(text(u, "spec", "targetNamespace"), u.GetNamespace()), name: text(u, "spec", "releaseName"), layer: layers[u], object: u}
		if r.name == "" {
			r.name = strings.TrimPrefix(text(u, "spec", "targetNamespace")+"-"+u.GetName(), "-")
		}
		for _, ref := range gitops.SourceRefs(u) {
			from := sources[ref]
			if from == nil {
				continue
			}
			w := want{kind: ref.Kind, url: text(from, "spec", "url"), chart: text(u, "spec", "chart", "spec", "chart"), version: text(u, "spec", "chart", "spec", "version")}
			switch ref.Kind {
			case gitops.OCIRepositoryKind.Kind:
				w = ofOCI(from)
			case gitops.HelmRepositoryKind.Kind:
			default:
				continue
			}
			r.chart, r.faithful, r.templated = w.key(), faithful(w), templated(w)
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b release) int { return cmp.Compare(a.id(), b.id()) })
	return out
}
