package gitops

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// SourceGroup is the API group of Flux's sources.
const SourceGroup = "source.toolkit.fluxcd.io"

// SourceRef names one of Flux's sources: what a sourceRef or chartRef says, with
// the namespace that is meant where it says none.
type SourceRef struct{ Kind, Namespace, Name string }

// RootArtifact is the source of a cluster that takes the repo as an OCI artifact: the repo itself, too.
var RootArtifact = SourceRef{"OCIRepository", FluxNamespace, "flux-system"}

// RootSource is the source that bootstrap makes: the repo itself.
var RootSource = SourceRef{"GitRepository", FluxNamespace, "flux-system"}

// Identity is Kind/namespace/name.
func (r SourceRef) Identity() string { return Identity(r.Kind, r.Namespace, r.Name) }

// Source is an object that manifests, charts or packages are taken from. A HelmChart is a
// Source for its HelmRelease, and a Use of the repository that it comes from.
type Source struct {
	*Object
	// Layer is the layer that applies the source.
	Layer *Layer
	// URL is the source's URL, endpoint or image as the repo writes it; "" if it has none.
	URL string
}

// Ref names the source.
func (s *Source) Ref() SourceRef { return SourceRef{s.GetKind(), s.GetNamespace(), s.GetName()} }

// Host is the host of the source's URL, without a port; "" if it has none.
func (s *Source) Host() string {
	text := s.URL
	if !strings.Contains(text, "://") {
		text = "oci://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// Certificates says whether the source brings the certificates that its server is held against.
func (s *Source) Certificates() bool {
	return nested(s.Object.Object, "spec", "certSecretRef", "name") != ""
}

// Use is a release, chart or package that takes something from a source.
type Use struct {
	*Object
	// Layer is the layer that applies the object.
	Layer *Layer
	// Refs are the sources that the object refers to. A PackageInstall has none, as any
	// PackageRepository may provide its package.
	Refs []SourceRef
	// ChartRef is true for a release that names its chart as a source (chartRef).
	ChartRef bool
	// Chart is the name of the chart or package that is taken; "" if it says none.
	Chart string
	// Version is the requested version as the repo writes it: exact, a range, or "".
	Version string
}

// Is says whether the object is of a kind.
func (o *Object) Is(gk schema.GroupKind) bool { return o.GroupVersionKind().GroupKind() == gk }

// findSources lists the sources and their uses, once all layers are built.
func (r *Repo) findSources() {
	for _, l := range r.Layers {
		for _, o := range l.Objects {
			gk := o.GroupVersionKind().GroupKind()
			if gk.Group == SourceGroup || gk == PackageRepositoryKind {
				r.sources = append(r.sources, &Source{Object: o, Layer: l, URL: sourceURL(o.Unstructured)})
			}
			if gk == HelmReleaseKind || gk == HelmChartKind || gk == PackageInstallKind {
				chart, version := taken(o.Unstructured)
				_, byRef, _ := unstructured.NestedMap(o.Object, "spec", "chartRef")
				r.uses = append(r.uses, &Use{Object: o, Layer: l, Refs: SourceRefs(o.Unstructured), ChartRef: byRef, Chart: chart, Version: version})
			}
		}
	}
}

// Sources are the source objects that the layers bring, in the order of the layers.
func (r *Repo) Sources() []*Source { return r.sources }

// Uses are the objects that take something from sources, in the order of the layers.
func (r *Repo) Uses() []*Use { return r.uses }

// SourcesOf finds the sources of a use: none if no layer brings what it names, and more
// than one if several layers do.
func (r *Repo) SourcesOf(u *Use) []*Source {
	var out []*Source
	for _, s := range r.sources {
		if s.GroupVersionKind().Group == SourceGroup && slices.Contains(u.Refs, s.Ref()) {
			out = append(out, s)
		}
	}
	return out
}

// Exact lists the exact versions of a chart or package that are asked of a source. What
// names a source that no layer brings, or one whose address comes with a substitution, may
// mean any.
func (r *Repo) Exact(s *Source, chart string) []string {
	var out []string
	for _, u := range r.uses {
		packaged := u.Is(PackageInstallKind)
		if u.Chart != chart || packaged != s.Is(PackageRepositoryKind) {
			continue
		}
		from := r.SourcesOf(u)
		if len(from) > 0 && !slices.ContainsFunc(from, func(f *Source) bool { return strings.Contains(f.URL, "$") || SameURL(f.URL, s.URL) }) {
			continue
		}
		if _, err := semver.StrictNewVersion(u.Version); err == nil {
			out = append(out, u.Version)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// SourceRefs returns the sources that a Kustomization, HelmRelease or HelmChart refers to,
// in the repo or in a cluster: by sourceRef, by chartRef, or by the sourceRef of its chart.
func SourceRefs(u *unstructured.Unstructured) []SourceRef {
	var out []SourceRef
	for _, path := range [][]string{{"spec", "sourceRef"}, {"spec", "chartRef"}, {"spec", "chart", "spec", "sourceRef"}} {
		ref, found, _ := unstructured.NestedMap(u.Object, path...)
		if !found {
			continue
		}
		if r := sourceRef(ref, u.GetNamespace()); r.Name != "" {
			out = append(out, r)
		}
	}
	return out
}

// sourceRef reads a reference that stands in an object of a namespace.
func sourceRef(ref map[string]any, namespace string) SourceRef {
	return SourceRef{nested(ref, "kind"), cmp.Or(nested(ref, "namespace"), namespace), nested(ref, "name")}
}

// sourceURL returns the URL, endpoint or image of a source.
func sourceURL(u *unstructured.Unstructured) string {
	return cmp.Or(nested(u.Object, "spec", "url"), nested(u.Object, "spec", "endpoint"), nested(u.Object, "spec", "fetch", "imgpkgBundle", "image"))
}

// taken is the name of the chart or package that an object takes from a source, and its version.
func taken(u *unstructured.Unstructured) (name, version string) {
	switch u.GroupVersionKind().GroupKind() {
	case HelmReleaseKind:
		return nested(u.Object, "spec", "chart", "spec", "chart"), nested(u.Object, "spec", "chart", "spec", "version")
	case HelmChartKind:
		return nested(u.Object, "spec", "chart"), nested(u.Object, "spec", "version")
	case PackageInstallKind:
		return nested(u.Object, "spec", "packageRef", "refName"), nested(u.Object, "spec", "packageRef", "versionSelection", "constraints")
	}
	return "", ""
}

// SameURL says whether two URLs lead to the same place. The case of scheme and host
// does not matter, nor do slashes at the end.
func SameURL(a, b string) bool { return CanonicalURL(a) == CanonicalURL(b) }

// CanonicalURL returns the same text for all URLs that are the same by SameURL: scheme
// and host are in lower case, and slashes at the end are removed. Of an address without
// a scheme, such as an image's, only those slashes are removed.
func CanonicalURL(s string) string {
	s = strings.TrimRight(s, "/")
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return s
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	return u.String()
}
