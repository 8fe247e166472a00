package ondemand

import (
	"cmp"
	"net/url"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"seatrial.dev/seatrial/internal/egress"
	"seatrial.dev/seatrial/internal/gitops"
)

// want is a chart that is asked of an address.
type want struct {
	// kind is that of the source: HelmRepository or OCIRepository.
	kind string
	// url is the source's, and chart the chart's name.
	url, chart string
	// version is what is asked for: an exact version, a range, or "" for any; of an OCIRepository that
	// names a tag, the tag.
	version string
	// tagged is true if version is a tag.
	tagged bool
	// filter is a regular expression for the tags that a range is looked for among.
	filter string
	// digest is that of the manifest, if it is asked for by one.
	digest string
	// verified is true if its signature is to be verified.
	verified bool
}

// key is the chart at its address.
func (w want) key() chartKey { return chartKey{gitops.CanonicalURL(w.url), w.chart} }

// chartKey is a chart, by its source's canonical URL and its name.
type chartKey struct{ url, chart string }

// repository is the registry's host and the repository that a chart is in there; false if it is at a Helm
// repository over HTTP.
func (w want) repository() (host, repository string, ok bool) {
	rest, found := strings.CutPrefix(w.url, "oci://")
	if !found {
		return "", "", false
	}
	host, repository, _ = strings.Cut(strings.Trim(rest, "/"), "/")
	if w.kind == gitops.HelmRepositoryKind.Kind {
		repository = path.Join(repository, w.chart)
	}
	return egress.CanonicalHost(host), repository, true
}

// indexAt says whether a URL is that of the index of the Helm repository that the chart is asked of.
func (w want) indexAt(u *url.URL) bool {
	at, err := url.Parse(w.url)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" {
		return false
	}
	return egress.HostOf(at) == egress.HostOf(u) && path.Join("/", at.Path, "index.yaml") == path.Join("/", u.Path)
}

// asked are the charts that objects ask for: HelmReleases, HelmCharts and the sources that they name, of a repo or of a
// cluster. undecided are the OCIRepositories of which nothing says whether they are charts.
func asked(objects []*unstructured.Unstructured) (out []want, undecided []string) {
	sources := map[gitops.SourceRef]*unstructured.Unstructured{}
	charts, foreign := map[gitops.SourceRef]bool{}, map[gitops.SourceRef]bool{}
	for _, u := range objects {
		switch u.GroupVersionKind().GroupKind() {
		case gitops.HelmRepositoryKind, gitops.OCIRepositoryKind:
			sources[gitops.SourceRef{Kind: u.GetKind(), Namespace: u.GetNamespace(), Name: u.GetName()}] = u
		case gitops.HelmReleaseKind:
			for _, ref := range gitops.SourceRefs(u) {
				charts[ref] = true
			}
		case gitops.KustomizationKind:
			for _, ref := range gitops.SourceRefs(u) {
				foreign[ref] = true
			}
		}
	}
	for ref, u := range sources {
		if ref.Kind != gitops.OCIRepositoryKind.Kind || !usable(text(u, "spec", "url")) {
			continue
		}
		if !strings.Contains(text(u, "spec", "layerSelector", "mediaType"), "helm.chart") && !charts[ref] {
			if !foreign[ref] {
				undecided = append(undecided, text(u, "spec", "url"))
			}
			continue
		}
		out = append(out, ofOCI(u))
	}
	for _, u := range objects {
		chart, version, verified := "", "", false
		switch u.GroupVersionKind().GroupKind() {
		case gitops.HelmReleaseKind:
			chart, version = text(u, "spec", "chart", "spec", "chart"), text(u, "spec", "chart", "spec", "version")
			_, verified, _ = unstructured.NestedMap(u.Object, "spec", "chart", "spec", "verify")
		case gitops.HelmChartKind:
			chart, version = text(u, "spec", "chart"), text(u, "spec", "version")
			_, verified, _ = unstructured.NestedMap(u.Object, "spec", "verify")
		}
		for _, ref := range gitops.SourceRefs(u) {
			from := sources[ref]
			if ref.Kind == gitops.HelmRepositoryKind.Kind && from != nil && usable(text(from, "spec", "url")) && chart != "" && usable(chart+version) {
				out = append(out, want{kind: ref.Kind, url: text(from, "spec", "url"), chart: chart, version: version, verified: verified})
			}
		}
	}
	slices.SortFunc(out, func(a, b want) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.url, b.url), cmp.Compare(a.chart, b.chart), cmp.Compare(a.version, b.version), cmp.Compare(a.digest, b.digest))
	})
	return slices.Compact(out), undecided
}

// ofOCI is what an OCIRepository that is a chart asks for.
func ofOCI(u *unstructured.Unstructured) want {
	w := want{kind: gitops.OCIRepositoryKind.Kind, url: text(u, "spec", "url"), digest: text(u, "spec", "ref", "digest"), filter: text(u, "spec", "ref", "semverFilter")}
	w.chart = path.Base(strings.TrimRight(w.url, "/"))
	w.version = text(u, "spec", "ref", "semver")
	if w.version == "" {
		w.version, w.tagged = cmp.Or(text(u, "spec", "ref", "tag"), "latest"), true
	}
	_, w.verified, _ = unstructured.NestedMap(u.Object, "spec", "verify")
	return w
}

// usable says whether a text needs no substitution that only the cluster knows.
func usable(s string) bool { return s != "" && !strings.Contains(s, "${") }

func text(u *unstructured.Unstructured, keys ...string) string {
	s, _, _ := unstructured.NestedString(u.Object, keys...)
	return s
}
