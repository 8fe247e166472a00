package gitops

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/kinds"
)

// Provider is a release or package of a layer, and what it brings.
type Provider struct {
	*Object
	// Chart is the chart's address, its name if nothing is known of where it comes from, or a package's name.
	Chart string
	// Known is false if nobody knows which kinds it brings. A chart in Git or a bucket goes by its name, but
	// may as well be somebody's own around another one.
	Known bool

	brings []kinds.Provision // those that are not switched off
}

// Name is the name of the chart or package, without its repository's address.
func (p *Provider) Name() string { return path.Base(p.Chart) }

// Groups are the API groups whose kinds it brings, sorted; "*.g" stands for the subdomains of g.
func (p *Provider) Groups() []string {
	set := map[string]bool{}
	for _, b := range p.brings {
		for _, g := range b.Groups {
			set[g] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// Brings says whether it brings kinds of an API group, and how they come.
func (p *Provider) Brings(group string) (kinds.Placement, bool) {
	for _, b := range p.brings {
		if b.Brings(group) {
			return b.CRDs, true
		}
	}
	return "", false
}

// Providers are the layer's releases and packages, in the order of its objects.
func (l *Layer) Providers() []*Provider {
	if l.providers == nil { // a layer that is of no Repo: nothing is known of its sources
		return providers(l, nil)
	}
	return l.providers
}

// Installer returns the release or package of a layer that installs the CRDs of
// an API group, or nil: the object of its Provider.
func (l *Layer) Installer(group string) *Object {
	if p := l.Provider(group); p != nil {
		return p.Object
	}
	return nil
}

// Provider returns the first provider of a layer that brings the kinds of an API group, or nil. One whose
// values switch its CRDs off does not; values that are not in the layer itself may switch them on.
func (l *Layer) Provider(group string) *Provider {
	for _, p := range l.Providers() {
		if _, brings := p.Brings(group); brings {
			return p
		}
	}
	return nil
}

// DefinesGroup says whether a layer applies a CRD of an API group itself.
func (l *Layer) DefinesGroup(group string) bool {
	for _, o := range l.Objects {
		if o.GetKind() != "CustomResourceDefinition" {
			continue
		}
		if g, _, _ := unstructured.NestedString(o.Object, "spec", "group"); g == group {
			return true
		}
	}
	return false
}

// Exists says whether the kinds of an API group exist before the repo brings anything: Flux's own, those
// of the operator that installed Flux, and what r.Before says.
func (r *Repo) Exists(group string) bool {
	switch group {
	case KustomizationKind.Group, HelmReleaseKind.Group, SourceGroup, "notification.toolkit.fluxcd.io":
		return true
	case "image.toolkit.fluxcd.io":
		return r.before(group) || r.installs("image-reflector-controller", "image-automation-controller")
	case "fluxcd.controlplane.io", ArtifactGeneratorKind.Group:
		return r.before(group) || r.byOperator()
	}
	return r.before(group)
}

// before says whether r.Before has an API group, by its name or by that of a domain that it is in.
func (r *Repo) before(group string) bool {
	if r.Before[group] != "" {
		return true
	}
	for _, domain, found := strings.Cut(group, "."); found; _, domain, found = strings.Cut(domain, ".") {
		if r.Before["*."+domain] != "" {
			return true
		}
	}
	return false
}

// installs says whether the repo's Flux may have one of some controllers: a FluxInstance lists what it has; what somebody
// else installed is not known, unless the repo holds its manifests: those bring their kinds.
func (r *Repo) installs(controllers ...string) bool {
	if r.Instance {
		return slices.ContainsFunc(controllers, func(c string) bool { return slices.Contains(r.Components, c) })
	}
	o, _ := r.Applied(Identity("Deployment", FluxNamespace, "source-controller"))
	return o == nil
}

// byOperator says whether Flux is there by Flux Operator: the repo has the operator's FluxInstance, or the chart
// that makes it, and not what flux bootstrap writes.
func (r *Repo) byOperator() bool {
	instance := false
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			if o.Is(GitRepositoryKind) && o.GetNamespace() == RootSource.Namespace && o.GetName() == RootSource.Name {
				return false
			}
			instance = instance || o.Is(fluxInstanceKind)
		}
		for _, p := range l.Providers() {
			instance = instance || p.Name() == "flux-instance"
		}
	}
	return instance
}

// findProviders lists every layer's providers, once all sources are known.
func (r *Repo) findProviders() {
	sources := map[SourceRef]*Source{}
	for _, s := range r.sources {
		if sources[s.Ref()] == nil {
			sources[s.Ref()] = s
		}
	}
	for _, l := range r.Layers {
		l.providers = providers(l, sources)
	}
}

// providers lists the releases and packages of a layer.
func providers(l *Layer, sources map[SourceRef]*Source) []*Provider {
	out := []*Provider{}
	for _, o := range l.Objects {
		var p *Provider
		switch {
		case o.Is(PackageInstallKind):
			name, _ := taken(o.Unstructured)
			p = &Provider{Object: o, Chart: name}
			p.brings, p.Known = kinds.OfPackage(name)
		case o.Is(HelmReleaseKind):
			p = release(o, sources)
		default:
			continue
		}
		out = append(out, p)
	}
	return out
}

// release tells what a HelmRelease brings.
func release(o *Object, sources map[SourceRef]*Source) *Provider {
	chart, own := chartOf(o.Unstructured, sources)
	p := &Provider{Object: o, Chart: chart}
	brings, known := kinds.OfChart(chart)
	p.Known = known && !own
	values, _, _ := unstructured.NestedMap(o.Object, "spec", "values")
	from, _, _ := unstructured.NestedSlice(o.Object, "spec", "valuesFrom")
	files, _, _ := unstructured.NestedSlice(o.Object, "spec", "chart", "spec", "valuesFiles")
	skip := nested(o.Object, "spec", "install", "crds") == "Skip"
	for _, b := range brings {
		if b.On(values, len(from)+len(files) > 0) && !(skip && b.CRDs == kinds.InFolder) {
			p.brings = append(p.brings, b)
		}
	}
	return p
}

// chartOf returns the address of the chart that a HelmRelease or HelmChart takes, as far as it is known: what
// its source is called if no layer brings that source. own is true for a chart out of Git or a bucket.
func chartOf(u *unstructured.Unstructured, sources map[SourceRef]*Source) (chart string, own bool) {
	refs := SourceRefs(u)
	name, _ := taken(u)
	if len(refs) == 0 {
		return name, false
	}
	ref := refs[0]
	own = ref.Kind == GitRepositoryKind.Kind || ref.Kind == BucketKind.Kind
	from := sources[ref]
	switch {
	case ref.Kind == HelmChartKind.Kind && from != nil && u.GetKind() != HelmChartKind.Kind:
		return chartOf(from.Unstructured, sources)
	case own:
		return cmp.Or(path.Base(path.Clean(name)), ref.Name), true
	case name == "" && from != nil && from.URL != "": // an OCI repository holds one chart, and has its name
		return strings.TrimRight(from.URL, "/"), false
	case name == "":
		return ref.Name, false
	case from != nil && from.URL != "":
		return strings.TrimRight(from.URL, "/") + "/" + name, false
	}
	return name, false
}
