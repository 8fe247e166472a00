package gitops

import (
	"strings"
	"testing"
)

const sources = `
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: minio, namespace: flux-system}
spec: {url: "https://operator.min.io/"}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: acme, namespace: flux-system}
spec: {type: oci, url: "oci://registry.example.org/acme"}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: gateways, namespace: flux-system}
spec: {url: "oci://mirror.example.org/envoyproxy/gateway-helm", ref: {tag: v1.7.0}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmChart
metadata: {name: databases, namespace: flux-system}
spec: {chart: cloudnative-pg, sourceRef: {kind: HelmRepository, name: acme}}
`

func TestInstaller(t *testing.T) {
	byChart := func(chart, repository, more string) string {
		return "kind: HelmRelease\napiVersion: helm.toolkit.fluxcd.io/v2\nmetadata: {name: r, namespace: flux-system}\nspec: {chart: {spec: {chart: " + chart + ", sourceRef: {kind: " + repository + "}}}" + more + "}\n"
	}
	byRef := func(ref, more string) string {
		return "kind: HelmRelease\napiVersion: helm.toolkit.fluxcd.io/v2\nmetadata: {name: r, namespace: flux-system}\nspec: {chartRef: {" + ref + "}" + more + "}\n"
	}
	for name, c := range map[string]struct {
		release, group string
		want, known    bool
	}{
		"a chart's name":                     {byChart("kyverno", "HelmRepository, name: gone", ""), "kyverno.io", true, true},
		"its other groups":                   {byChart("kyverno", "HelmRepository, name: gone", ""), "wgpolicyk8s.io", true, true},
		"a group that only ends alike":       {byChart("cert-manager", "HelmRepository, name: gone", ", values: {installCRDs: true}"), "trust.cert-manager.io", false, true},
		"an address that tells":              {byChart("operator", "HelmRepository, name: minio", ""), "minio.min.io", true, true},
		"another address":                    {byChart("operator", "HelmRepository, name: acme", ""), "minio.min.io", false, false},
		"an unknown chart":                   {byChart("thing", "HelmRepository, name: acme", ""), "acme.example.org", false, false},
		"an app's chart":                     {byChart("grafana", "HelmRepository, name: acme", ""), "grafana.integreatly.org", false, true},
		"a chart in Git":                     {byChart("./charts/kyverno", "GitRepository, name: flux-system", ""), "kyverno.io", true, false},
		"an OCI repository's address":        {byRef("kind: OCIRepository, name: gateways", ""), "gateway.networking.k8s.io", true, true},
		"an OCI repository that is not here": {byRef("kind: OCIRepository, name: keda", ""), "keda.sh", true, true},
		"a HelmChart":                        {byRef("kind: HelmChart, name: databases", ""), "postgresql.cnpg.io", true, true},
		"a HelmChart that is not here":       {byRef("kind: HelmChart, name: kyverno", ""), "kyverno.io", true, true},
		"switched off by default":            {byChart("cert-manager", "HelmRepository, name: gone", ""), "cert-manager.io", false, true},
		"switched on":                        {byChart("cert-manager", "HelmRepository, name: gone", ", values: {crds: {enabled: true}}"), "cert-manager.io", true, true},
		"perhaps switched on":                {byChart("cert-manager", "HelmRepository, name: gone", ", valuesFrom: [{kind: ConfigMap, name: v}]"), "cert-manager.io", true, true},
		"switched off":                       {byChart("kyverno", "HelmRepository, name: gone", ", values: {crds: {install: false}}"), "kyverno.io", false, true},
		"its crds folder left out":           {byRef("kind: OCIRepository, name: gateways", ", install: {crds: Skip}"), "gateway.envoyproxy.io", false, true},
		"no folder to leave out":             {byChart("kyverno", "HelmRepository, name: gone", ", install: {crds: Skip}"), "kyverno.io", true, true},
		"a package": {"kind: PackageInstall\napiVersion: packaging.carvel.dev/v1alpha1\nmetadata: {name: r, namespace: flux-system}\nspec: {packageRef: {refName: cert-manager.tanzu.vmware.com}}\n",
			"cert-manager.io", true, true},
		"a package that is not a chart": {"kind: PackageInstall\napiVersion: packaging.carvel.dev/v1alpha1\nmetadata: {name: r, namespace: flux-system}\nspec: {packageRef: {refName: metallb.acme.example.org}}\n",
			"metallb.io", false, false},
		"nothing to take": {"kind: HelmRelease\napiVersion: helm.toolkit.fluxcd.io/v2\nmetadata: {name: r, namespace: flux-system}\nspec: {values: 1}\n", "kyverno.io", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := load(t, map[string]string{
				"clusters/a/apps.yaml": layerYAML("apps", "apps", ""), "clusters/a/sources.yaml": strings.TrimPrefix(sources, "\n"), "apps/release.yaml": c.release,
			}, "clusters/a")
			l := r.Layer(Ref{"flux-system", "apps"})
			if got := l.Installer(c.group); (got != nil) != c.want {
				t.Errorf("got %v", got)
			}
			if all := l.Providers(); len(all) != 1 || all[0].Known != c.known {
				t.Errorf("got %+v", all[0])
			}
		})
	}
	alone := &Layer{Objects: load(t, map[string]string{"c/r.yaml": byChart("kyverno", "HelmRepository, name: x", "")}, "c").Layers[0].Objects}
	if alone.Installer("kyverno.io") == nil {
		t.Error("a layer of no repo has no installer")
	}
}

func TestExists(t *testing.T) {
	const instance = "apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nmetadata: {name: flux, namespace: flux-system}\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  bool // of the operator's group
	}{
		"Flux by its own bootstrap":      {map[string]string{"c/a.yaml": "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata: {name: flux-system, namespace: flux-system}\n", "c/b.yaml": instance}, false},
		"Flux by its operator":           {map[string]string{"c/b.yaml": instance}, true},
		"Flux by its operator, by chart": {map[string]string{"c/b.yaml": "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: flux, namespace: flux-system}\nspec: {chartRef: {kind: OCIRepository, name: flux-instance}}\n"}, true},
		"nothing told":                   {map[string]string{"c/b.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n"}, false},
	} {
		r := load(t, c.files, "c")
		r.Before = map[string]string{"cilium.io": "a helmfile", "*.upbound.io": "the same"}
		if got := r.Exists("fluxcd.controlplane.io"); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
		if !r.Exists("cilium.io") || !r.Exists("s3.aws.upbound.io") || r.Exists("upbound.io") || !r.Exists("helm.toolkit.fluxcd.io") || r.Exists("cert-manager.io") {
			t.Errorf("%s: wrong of other groups", name)
		}
	}
}
