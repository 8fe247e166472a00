package verdict

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/finding"
	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/live"
	"seatrial.dev/seatrial/internal/spelling"
	"seatrial.dev/seatrial/internal/verdict/cause"
)

// Simulated pods run whatever they refer to, and no controller checks a route. So the
// errors that a kubelet or an ingress controller would report are looked for here; that
// needs no running pod.

var (
	secretKind    = schema.GroupKind{Kind: "Secret"}
	configMapKind = schema.GroupKind{Kind: "ConfigMap"}
	namespaceKind = schema.GroupKind{Kind: "Namespace"}
	serviceKind   = schema.GroupKind{Kind: "Service"}
	jobKind       = schema.GroupKind{Group: "batch", Kind: "Job"}
	proxyKind     = schema.GroupKind{Group: "projectcontour.io", Kind: "HTTPProxy"}
	ingressKind   = schema.GroupKind{Group: "networking.k8s.io", Kind: "Ingress"}
	// workloadKinds are the kinds with a pod spec, and the path of that spec.
	workloadKinds = map[schema.GroupKind][]string{
		{Group: "apps", Kind: "Deployment"}:  {"spec", "template", "spec"},
		{Group: "apps", Kind: "StatefulSet"}: {"spec", "template", "spec"},
		{Group: "apps", Kind: "DaemonSet"}:   {"spec", "template", "spec"},
		{Group: "batch", Kind: "Job"}:        {"spec", "template", "spec"},
		{Group: "batch", Kind: "CronJob"}:    {"spec", "jobTemplate", "spec", "template", "spec"},
		podKind:                              {"spec"},
	}
)

// Referred are the kinds that References looks at.
func Referred() []schema.GroupKind {
	out := []schema.GroupKind{namespaceKind, secretKind, configMapKind, serviceKind, proxyKind, ingressKind}
	for gk := range workloadKinds {
		out = append(out, gk)
	}
	return out
}

// lookup finds things out about the cluster's objects and the layers that they belong to.
type lookup struct {
	view   live.View
	layers []*Layer
	// unmade are the Secrets and ConfigMaps that pods read and a Job would have made, with that Job.
	unmade map[string]string
}

// References returns findings about pods that read Secrets or ConfigMaps which do not
// exist, whose images can't be pulled or that Pod Security refuses, and about routes that lead
// to Services or ports which do not exist. It fails the layers that these pods and routes belong to. What a
// Job would have made, and simulated pods don't, is a blind spot.
func (j *Judge) References(c live.View, a Assessment) ([]finding.Finding, []finding.BlindSpot) {
	k := lookup{c, a.Layers, map[string]string{}}
	var out []finding.Finding
	guarded := security{lookup: k, platform: j.platform, enforced: j.enforced}
	for gk, path := range workloadKinds {
		for _, u := range c.List(gk) {
			if len(u.GetOwnerReferences()) > 0 {
				continue // its owner is checked instead
			}
			spec, _, _ := unstructured.NestedMap(u.Object, path...)
			if u.GetNamespace() != gitops.FluxNamespace && u.GetNamespace() != "kapp-controller" {
				for _, r := range podReferences(spec) {
					if f, bad := k.unread(u, r); bad {
						out = append(out, f)
					}
				}
			}
			if !k.deployed(u) || u.GetLabels()["app.kubernetes.io/part-of"] == "flux" {
				continue // the cluster's own, and Flux's: what they run is not for the repo to say
			}
			if u.GetAnnotations()[live.ImagesAnnotation] == "" {
				out = append(out, k.unpulled(u, spec, j.platform)...)
			}
			if f, bad := guarded.refused(u, path); bad {
				out = append(out, f)
			}
		}
	}
	for _, gk := range []schema.GroupKind{proxyKind, ingressKind} {
		for _, u := range c.List(gk) {
			for _, b := range backends(u) {
				if f, bad := k.unrouted(u, b); bad {
					out = append(out, f)
				}
			}
		}
	}
	for _, f := range out {
		for _, l := range a.Layers {
			if f.Severity == finding.Error && l.Title() == f.Layer && l.Status == Reconciled {
				l.Status, l.Message = StatusFail, f.Object+": "+f.Message
			}
		}
	}
	var spots []finding.BlindSpot
	for _, what := range slices.Sorted(maps.Keys(k.unmade)) {
		spots = append(spots, finding.Unseen(finding.Unobserved, "%s, which pods read, is for %s to make: Jobs complete here, and do nothing", what, k.unmade[what]))
	}
	return finding.Merge(out, nil), spots
}

// job names a Job whose containers are told of a Secret or ConfigMap by name, or "": a hook that makes
// certificates is. Charts remove such Jobs when they have completed.
func (k lookup) job(namespace, name string) string {
	for _, u := range append(k.view.List(jobKind), k.view.Gone()...) {
		if u.GetNamespace() != namespace {
			continue
		}
		containers, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
		for _, c := range containers {
			m, _ := c.(map[string]any)
			if mention(m["command"], name) || mention(m["args"], name) || mention(m["env"], name) {
				return "Job " + namespace + "/" + u.GetName()
			}
		}
	}
	return ""
}

// mention says whether a list of texts, or of variables with values, has a name in it.
func mention(list any, name string) bool {
	entries, _ := list.([]any)
	return slices.ContainsFunc(entries, func(e any) bool {
		text, _ := e.(string)
		if variable, ok := e.(map[string]any); ok { // what it reads from a Secret, it does not make
			text, _ = variable["value"].(string)
		}
		return spelling.Holds(text, name)
	})
}

// names are those of all objects of a kind in a namespace.
func (k lookup) names(gk schema.GroupKind, namespace string) []string {
	var out []string
	for _, other := range k.view.List(gk) {
		if other.GetNamespace() == namespace {
			out = append(out, other.GetName())
		}
	}
	slices.Sort(out)
	return out
}

// maker says whether a Secret or ConfigMap may be created by an operator or Job that does
// nothing in this tier. made: a custom resource refers to its name, as a SecretImport, an
// ExternalSecret or a Certificate does. may: the namespace has any custom resource or Job.
func (k lookup) maker(namespace, name string) (made, may bool) {
	may = len(k.names(jobKind, namespace)) > 0
	for _, l := range k.layers {
		for _, ref := range l.Unobserved {
			u, _ := k.view.Get(ref)
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

// owner starts a finding about the repo's object that a live object comes from: for a
// chart's object the HelmRelease, or else the object itself.
func (k lookup) owner(u *unstructured.Unstructured) finding.Finding {
	labels := u.GetLabels()
	f := finding.Finding{Object: live.RefOf(u).Identity()}
	owner := live.RefOf(u)
	if name := labels["helm.toolkit.fluxcd.io/name"]; name != "" {
		owner = live.Ref{GroupKind: gitops.HelmReleaseKind, Namespace: labels["helm.toolkit.fluxcd.io/namespace"], Name: name}
		f.Object = owner.Identity()
	}
	for _, l := range k.layers {
		if l.live == nil || !slices.Contains(live.Inventory(l.live), owner) {
			continue
		}
		f.Layer, f.File, f.Line = l.Title(), l.File, l.Line
		cause.Locate(&f, l.Layer, func(o *gitops.Object) bool {
			return o.GroupVersionKind().GroupKind() == owner.GroupKind && o.GetName() == owner.Name && o.GetNamespace() == owner.Namespace
		})
	}
	return f
}

// deployed says whether an object comes from the repo: applied by a layer, installed by a
// release of it, or by a package.
func (k lookup) deployed(u *unstructured.Unstructured) bool {
	for _, label := range []string{"kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name", "kapp.k14s.io/app"} {
		if u.GetLabels()[label] != "" {
			return true
		}
	}
	return k.owner(u).Layer != ""
}

// mapsIn are the mappings of a list.
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
