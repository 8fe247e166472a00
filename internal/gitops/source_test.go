package gitops

import (
	"slices"
	"strings"
	"testing"
)

const sourcesYAML = `
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: one, namespace: flux-system}
spec: {url: https://Charts.example.com/stable/}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: other, namespace: flux-system}
spec: {url: https://other.example.com}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: Bucket
metadata: {name: one, namespace: web}
spec: {endpoint: minio.example.com}
---
apiVersion: packaging.carvel.dev/v1alpha1
kind: PackageRepository
metadata: {name: one, namespace: tkg-system}
spec: {fetch: {imgpkgBundle: {image: registry.example.com/packages:1}}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: a, namespace: web}
spec: {chart: {spec: {chart: web, version: 1.0.0, sourceRef: {kind: HelmRepository, name: one, namespace: flux-system}}}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: b, namespace: flux-system}
spec: {chart: {spec: {chart: web, version: 2.0.0, sourceRef: {kind: HelmRepository, name: other}}}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: c, namespace: web}
spec: {chart: {spec: {chart: web, version: 3.x, sourceRef: {kind: HelmRepository, name: one, namespace: flux-system}}}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: d, namespace: web}
spec: {chart: {spec: {chart: web, version: 4.0.0, sourceRef: {kind: HelmRepository, name: nobody}}}}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: e, namespace: web}
spec: {chartRef: {kind: Bucket, name: one}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: substituted, namespace: flux-system}
spec: {url: "${charts}"}
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: f, namespace: flux-system}
spec: {chart: {spec: {chart: web, version: 6.0.0, sourceRef: {kind: HelmRepository, name: substituted}}}}
---
apiVersion: packaging.carvel.dev/v1alpha1
kind: PackageInstall
metadata: {name: p, namespace: tkg-system}
spec: {packageRef: {refName: web, versionSelection: {constraints: 5.0.0}}}
`

func TestSources(t *testing.T) {
	r := load(t, map[string]string{"clusters/a/apps.yaml": layerYAML("apps", "apps", ""), "apps/all.yaml": sourcesYAML}, "clusters/a")
	var urls []string
	for _, s := range r.Sources() {
		urls = append(urls, s.URL)
	}
	if want := "https://Charts.example.com/stable/ https://other.example.com minio.example.com registry.example.com/packages:1 ${charts}"; strings.Join(urls, " ") != want {
		t.Errorf("got %v", urls)
	}
	// A name is looked up in the reference's namespace, or else in the object's own.
	of := map[string]string{}
	for _, u := range r.Uses() {
		for _, s := range r.SourcesOf(u) {
			of[u.GetName()] += s.Ref().Identity()
		}
	}
	for name, want := range map[string]string{"a": "HelmRepository/flux-system/one", "b": "HelmRepository/flux-system/other", "d": "", "e": "Bucket/web/one", "p": ""} {
		if of[name] != want {
			t.Errorf("%s takes from %q, want %q", name, of[name], want)
		}
	}
	// Versions belong to a source: a version that is requested from another source is not listed.
	for name, want := range map[string][]string{
		"HelmRepository/one": {"1.0.0", "4.0.0", "6.0.0"}, "HelmRepository/other": {"2.0.0", "4.0.0", "6.0.0"}, "PackageRepository/one": {"5.0.0"},
	} {
		for _, s := range r.Sources() {
			if got := r.Exact(s, "web"); Identity(s.GetKind(), "", s.GetName()) == name && !slices.Equal(got, want) {
				t.Errorf("%s is asked for %v, want %v", name, got, want)
			}
		}
	}
}

func TestSameURL(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"https://charts.example.com", "https://charts.example.com/", true},
		{"https://Charts.Example.com/a", "HTTPS://charts.example.com/a/", true},
		{"https://charts.example.com/A", "https://charts.example.com/a", false}, // the case of a path matters
		{"https://charts.example.com", "oci://charts.example.com", false},
		{"oci://charts.example.com/a", "oci://charts.example.com/a/", true},
		{"registry.example.com/a:1", "registry.example.com/a:2", false},
	} {
		if got := SameURL(c.a, c.b); got != c.want {
			t.Errorf("%s and %s: got %v", c.a, c.b, got)
		}
	}
}
