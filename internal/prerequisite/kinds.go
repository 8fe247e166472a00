package prerequisite

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"seatrial.dev/seatrial/internal/gitops"
	"seatrial.dev/seatrial/internal/kinds"
)

// installed are the groups of the controllers that each rehearsal has.
var installed = map[string]bool{
	gitops.SourceGroup: true, gitops.KustomizationKind.Group: true, gitops.HelmReleaseKind.Group: true, "notification.toolkit.fluxcd.io": true,
	gitops.ArtifactGeneratorKind.Group: true, gitops.AppKind.Group: true, gitops.PackageInstallKind.Group: true,
	"data.packaging.carvel.dev": true, "internal.packaging.carvel.dev": true, "secretgen.carvel.dev": true, "secretgen.k14s.io": true,
}

// usual are kinds that charts make of groups which other charts bring, in version v1.
var usual = map[string][]string{
	"monitoring.coreos.com":     {"ServiceMonitor", "PodMonitor", "PrometheusRule", "Probe"},
	"cert-manager.io":           {"Certificate", "Issuer", "ClusterIssuer"},
	"gateway.networking.k8s.io": {"GatewayClass", "Gateway", "HTTPRoute"},
}

// Kinds returns the CRDs of the groups that exist before Flux, as far as a layer or a chart, whose kinds are charts, uses the group: the
// repo's own CRD of a kind, if it has one, or else one that takes any content in the versions that layers use.
func Kinds(repo *gitops.Repo, charts []schema.GroupVersionKind) []*unstructured.Unstructured {
	type kind struct {
		versions   []string
		namespaced bool
	}
	used := map[string]map[string]*kind{} // by group and name
	own := map[string]*unstructured.Unstructured{}
	use := func(gvk schema.GroupVersionKind, namespaced bool) {
		if !repo.Exists(gvk.Group) || installed[gvk.Group] {
			return
		}
		if used[gvk.Group] == nil {
			used[gvk.Group] = map[string]*kind{}
		}
		k := used[gvk.Group][gvk.Kind]
		if k == nil {
			k = &kind{}
			used[gvk.Group][gvk.Kind] = k
		}
		k.namespaced = k.namespaced || namespaced
		k.versions = append(k.versions, gvk.Version)
	}
	for _, l := range repo.Layers {
		for _, o := range l.Objects {
			if o.GetKind() == "CustomResourceDefinition" {
				own[o.GetName()] = o.Unstructured
			}
			use(o.GroupVersionKind(), o.GetNamespace() != "")
		}
	}
	for _, gvk := range charts {
		use(gvk, true)
	}
	var out []*unstructured.Unstructured
	for _, group := range slices.Sorted(maps.Keys(used)) {
		for _, name := range usual[group] {
			if k, known := kinds.Lookup(group, name); known && used[group][name] == nil {
				used[group][name] = &kind{versions: []string{"v1"}, namespaced: k.Namespaced}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(used[group])) {
			if kinds.Misspelt(group, name) {
				continue // the API server is to say so
			}
			k := used[group][name]
			crd := kinds.Definition(group, name, k.namespaced, k.versions[0], k.versions[1:]...)
			if have := own[crd.GetName()]; have != nil {
				crd = have
			}
			out = append(out, crd)
		}
	}
	return out
}
